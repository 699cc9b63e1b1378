"""RAW to the last row and its event: how many messages a second the dataflow stores, and at what cost."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

from nats.aio.client import Client
from nats.js.api import ConsumerInfo

from connectors.publish import Publisher
from deploy import links
from deploy.bench.counts import must_be
from deploy.bench.load import CHANNEL, WORKSPACE, Load
from deploy.bench.servers import Servers, until
from deploy.settings import Settings
from pipelines.store import sources
from schemas.subjects import Durable, Stream

PUBLISHED_AT_ONCE = 5_000
_PATIENCE_SECONDS = 600.0
_FOREVER = datetime(2999, 1, 1, tzinfo=UTC)
_SOON = timedelta(seconds=0.3)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run took: messages, seconds, and the seconds of the processor of each party."""

    count: int
    seconds: float
    cpu: dict[str, float] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        """Write it as rates: messages a second, microseconds of the processor a message."""
        cpu = {name: round(used / self.count * 1e6, 1) for name, used in self.cpu.items()}
        cpu["all"] = round(sum(self.cpu.values()) / self.count * 1e6, 1)
        return {"per_second": round(self.count / self.seconds, 1), "cpu_us": cpu}


async def register(settings: Settings, load: Load) -> None:
    """Register the sources of the messages."""
    async with links.pool(settings, "write", size=1) as pool, pool.connection() as conn:
        for source in load.sources:
            await sources.ensure(conn, WORKSPACE, source, CHANNEL)


async def publish(servers: Servers, load: Load, count: int, *, tag: str) -> Cost:
    """Publish messages as an import does, in atomic batches."""
    messages = load.raw(count, tag=tag)
    meter = servers.meter()
    async with servers.client() as nc, Publisher(nc) as publisher:
        meter.start()
        begun = perf_counter()
        for start in range(0, count, PUBLISHED_AT_ONCE):
            await publisher.publish(messages[start : start + PUBLISHED_AT_ONCE], bulk=True)
        cost = Cost(count, perf_counter() - begun, meter.stop())
        must_be("messages in RAW", (await nc.jetstream().stream_info(Stream.RAW)).state.messages, count)
    return cost


async def run(
    servers: Servers, settings: Settings, load: Load, *, count: int, processes: int, tag: str, relayed: bool = False
) -> tuple[Cost, Cost]:
    """Publish messages, then let so many processes of the dataflow store them; give the cost of both.

    The clock starts when the first message may be handed out and stops when the last one is acknowledged, which the
    flow does after the commit; with ``relayed``, when the last event is in RESULTS. Nobody waits for a start-up, and
    nobody publishes meanwhile. Every row is counted.
    """
    await servers.streams()
    await register(settings, load)
    before = _stored(servers, settings)
    async with servers.client() as nc:
        await _pause(nc, _FOREVER)
        published = await publish(servers, load, count, tag=tag)
        names = [f"flow-{number}" for number in range(processes)]
        for name in names:
            servers.start(name, settings, "dataflow")
        if relayed:
            servers.start("relay", settings, "relay")
        stored = await _stored_by(servers, settings, nc, count, processes, relayed=relayed)
        for name in (*names, *(["relay"] if relayed else [])):
            servers.stop(name)
    after = _stored(servers, settings)
    must_be("rows of messages", after["messages"] - before["messages"], count)
    must_be("rows of verdicts", after["verdicts"] - before["verdicts"], count)
    must_be("rows of tasks", after["tasks"] - before["tasks"], load.tasks_in(count))
    must_be("rows of events", after["events"] - before["events"], count + load.tasks_in(count))
    return published, stored


async def _stored_by(
    servers: Servers, settings: Settings, nc: Client, count: int, processes: int, *, relayed: bool
) -> Cost:
    async def all_pull() -> bool:
        return ((await _bulk(nc)).num_waiting or 0) >= processes

    async def all_acknowledged() -> bool:
        info = await _bulk(nc)
        return info.num_pending == 0 and info.num_ack_pending == 0

    async def all_relayed() -> bool:
        state = (await nc.jetstream().stream_info(Stream.RESULTS)).state
        return state.messages == servers.count(settings, "events")

    await until(all_pull, seconds=60, what="the dataflow to start")
    if relayed:
        await until(all_relayed, seconds=60, what="the relay to start")
    meter = servers.meter("flow", *(["relay"] if relayed else []))
    start = datetime.now(UTC) + _SOON
    await _pause(nc, start)
    await asyncio.sleep((start - datetime.now(UTC)).total_seconds())
    meter.start()
    begun = perf_counter()
    await until(all_acknowledged, seconds=_PATIENCE_SECONDS, what="the last acknowledgement")
    if relayed:
        await until(all_relayed, seconds=_PATIENCE_SECONDS, what="the last event")
    seconds = perf_counter() - begun
    used = meter.stop()
    del used["bench"]  # it only looks on
    return Cost(count, seconds, used)


async def _pause(nc: Client, end: datetime) -> None:
    """Let the durable of imports hand out nothing until then.

    The end of a pause wakes the pulls that wait; to call a pause off would leave them waiting until they expire.
    """
    body = json.dumps({"pause_until": end.isoformat()}).encode()
    answer = json.loads((await nc.request(f"$JS.API.CONSUMER.PAUSE.{Stream.RAW}.{Durable.BULK}", body)).data)
    must_be("whether the durable is paused", answer.get("paused"), True)


async def _bulk(nc: Client) -> ConsumerInfo:
    info: ConsumerInfo = await nc.jetstream(timeout=10).consumer_info(Stream.RAW, Durable.BULK)
    return info


def _stored(servers: Servers, settings: Settings) -> dict[str, int]:
    return {table: servers.count(settings, table) for table in ("messages", "verdicts", "tasks", "events")}
