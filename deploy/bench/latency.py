"""How long it takes from publishing a message to the frame that a page gets, and where that time goes."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter, time
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from connectors.publish import Publisher
from deploy import links
from deploy.bench.counts import Miscounted, must_be, quantile
from deploy.bench.flow import Cost
from deploy.bench.load import WORKSPACE, Load
from deploy.bench.pace import steps
from deploy.bench.servers import Servers, until
from deploy.local.stack import PROCESSES
from deploy.settings import Settings
from pipelines.store import sources
from schemas.events import EventType
from schemas.messages import Origin

SOURCE, CHANNEL = "bench-live", "api"
_LAST_SECONDS = 60.0
"""How long the last frames may take."""

ROLES = {"api": ("api",), "flow-0": ("dataflow",), "relay": PROCESSES["relay"]}
"""The processes of a stack, as ``up`` starts them."""


@dataclass
class _Times:
    """When each message was published, acknowledged, stored and shown, by its external id; seconds since 1970."""

    sent: dict[str, float] = field(default_factory=dict)
    acknowledged: dict[str, float] = field(default_factory=dict)
    shown: dict[int, tuple[float, float]] = field(default_factory=dict)  # row -> when stored, when shown
    doubled: int = 0

    def hear(self, frame: dict[str, Any], now: float) -> None:
        event = frame.get("event", {})
        if event.get("type") != EventType.MESSAGE_PROCESSED or event["data"]["source"] != SOURCE:
            return
        self.doubled += event["message"] in self.shown
        self.shown[event["message"]] = datetime.fromisoformat(event["at"]).timestamp(), now

    def report(self, names: dict[int, str]) -> dict[str, Any]:
        """Write quantiles in milliseconds; ``names`` maps rows to external ids."""
        must_be("messages with two frames", self.doubled, 0)
        must_be("messages with a frame", {names[row] for row in self.shown}, self.sent.keys())
        rows = [(names[row], *times) for row, times in self.shown.items()]
        parts = {
            "frame": [shown - self.sent[name] for name, _, shown in rows],
            "acknowledged": [self.acknowledged[name] - self.sent[name] for name in self.sent],
            "acknowledged_to_event": [stored - self.acknowledged[name] for name, stored, _ in rows],
            "event_to_frame": [shown - stored for _, stored, shown in rows],
        }
        return {"messages": len(rows)} | {name: _quantiles(values) for name, values in parts.items()}


def _quantiles(seconds: list[float]) -> dict[str, float]:
    return {name: round(quantile(seconds, share) * 1e3, 1) for name, share in (("p50", 0.5), ("p99", 0.99))}


@asynccontextmanager
async def stack(servers: Servers, settings: Settings) -> AsyncIterator[None]:
    """Run the processes of a stack on fresh streams."""
    await servers.streams()
    async with links.pool(settings, "write", size=1) as pool, pool.connection() as conn:
        await sources.ensure(conn, WORKSPACE, SOURCE, CHANNEL)
    for name, roles in ROLES.items():
        servers.start(name, settings, *roles)
    try:
        await servers.api_ready()
        yield
    finally:
        for name in ROLES:
            servers.stop(name)


async def measure(
    servers: Servers, settings: Settings, load: Load, *, per_second: float, tag: str, enough: Callable[[int], bool]
) -> dict[str, Any]:
    """Publish live messages at a steady pace until ``enough`` says so of their number; follow each to its frame."""
    times = _Times()
    url = f"{servers.url.replace('http', 'ws', 1)}/ws"
    async with (
        servers.client("operator") as nc,
        Publisher(nc) as publisher,
        connect(url, additional_headers=servers.headers, max_queue=None) as socket,
    ):
        await socket.recv()  # hello
        hearing = asyncio.create_task(_hear(socket, times))
        try:
            await _send(publisher, load, times, per_second=per_second, tag=tag, enough=enough)

            async def all_shown() -> bool:
                if hearing.done():
                    raise Miscounted(f"the page was cut off: {hearing.exception()}")
                return len(times.shown) >= len(times.sent)

            await until(all_shown, seconds=_LAST_SECONDS, what="the last frame")
        finally:
            hearing.cancel()
    names = servers.rows(settings, f"select id, external_id from messages where source = '{SOURCE}'")  # noqa: S608
    return {"per_second": per_second} | times.report(dict(names))


async def _hear(socket: ClientConnection, times: _Times) -> None:
    async for frame in socket:
        now = time()
        times.hear(json.loads(frame), now)


async def _send(
    publisher: Publisher, load: Load, times: _Times, *, per_second: float, tag: str, enough: Callable[[int], bool]
) -> None:
    count = len(load.lines)

    async def send(number: int) -> None:
        again, place = divmod(number, count)
        [line] = load.lines[place : place + 1]
        name = f"{tag}-{again}-{place}"
        fresh = line.model_copy(update={"source": SOURCE, "external_id": name, "reply_to": None})
        now = datetime.now(UTC)
        raw = fresh.to_raw(workspace=WORKSPACE, channel=CHANNEL, origin=Origin.LIVE, received_at=now)
        times.sent[name] = time()
        await publisher.publish([raw])
        times.acknowledged[name] = time()

    async with asyncio.TaskGroup() as group:
        async for number in steps(per_second):
            if enough(number):
                return
            group.create_task(send(number))


async def at_rest(
    servers: Servers, settings: Settings, load: Load, *, per_second: float, seconds: float
) -> dict[str, Any]:
    """Measure with nothing else to do; a second of warming up goes before."""
    warm, count = max(int(per_second), 5), max(int(per_second * seconds), 5)
    tag = f"rest-{per_second:g}"
    await measure(servers, settings, load, per_second=per_second, tag=f"{tag}-warm", enough=lambda sent: sent >= warm)
    return await measure(servers, settings, load, per_second=per_second, tag=tag, enough=lambda sent: sent >= count)


async def during_import(
    servers: Servers, settings: Settings, load: Load, *, count: int, per_second: float
) -> dict[str, Any]:
    """Measure fresh messages while ``import`` brings ``count`` old ones and the flow reads them."""
    file = servers.folder / "import.jsonl"
    load.write(file, count, tag="import")
    before = {table: servers.count(settings, table) for table in ("messages", "tasks")}
    begun = perf_counter()
    importing = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.cli", "import", str(file), "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=settings.environment(),
    )
    ending = asyncio.create_task(importing.communicate())
    took = 0.0

    def over(_: int) -> bool:
        nonlocal took
        if ending.done() and not took:
            took = perf_counter() - begun
        return bool(took)

    try:
        found = await measure(servers, settings, load, per_second=per_second, tag="import", enough=over)
        out, said = await ending
    finally:
        if importing.returncode is None:
            importing.kill()
            await importing.wait()
    must_be(f"exit code of the import ({said.decode()[-300:]})", importing.returncode, 0)
    must_be("messages that the import accepted", json.loads(out)["accepted"], count)
    must_be("rows of messages", servers.count(settings, "messages") - before["messages"], count + found["messages"])
    rate = Cost(count, took).report()["per_second"]
    return {"imported": count, "seconds": round(took, 2), "imported_per_second": rate, "fresh": found}
