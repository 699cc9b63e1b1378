"""``bench live``: many pages that watch at once, the slow, the broken off and the returning among them."""

import asyncio
import json
import re
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from time import time
from typing import Any

import httpx

from connectors.publish import Publisher
from deploy.bench.counts import Miscounted, must_be
from deploy.bench.latency import CHANNEL, SOURCE, stack
from deploy.bench.load import WORKSPACE
from deploy.bench.pace import steps
from deploy.bench.road import Say
from deploy.bench.servers import Servers, opened, until
from deploy.bench.swarm import STAMP
from deploy.bench.usage import machine, pss_mib
from deploy.settings import Settings
from schemas.messages import Origin, RawMessage

SLOW_SHARE = 0.01
DISCONNECTED_SHARE = 0.05
"""Of all clients, those that are cut off in a second."""

STORM_SECONDS = 1.0
_SPARE_FILES = 1_000
_SLOW_SECONDS = 60.0
_SETTLE_SECONDS = 60.0
_READ_SECONDS = 10.0
_PADDING = "\N{TURTLE}" * 200
"""Four bytes a character: what is not read fills the buffers sooner."""

_WORK = f"please fix the login page, it crashes {_PADDING * 10}"
_FULL_SOON = 10.0
"""Messages a second that fill the buffers of a slow reader before its missing pong ends it; fewer must be larger."""

_ENDS = {"1013", "1011", "none"}
"""How a slow reader may see its end: the code, the end of its pings, or nothing, for it did not read in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many clients, how many messages a second, and how long each phase lasts."""

    clients: int = 1_000
    per_second: float = 20.0
    seconds: float = 10.0
    pg_bin: Path | None = None


async def live(plan: Plan, say: Say) -> dict[str, Any]:
    """Measure everything of a plan; raises Miscounted when a client missed an event or saw one twice."""
    _allow_files(plan.clients + _SPARE_FILES)
    with opened(pg_bin=plan.pg_bin) as servers:
        settings = servers.database("live")
        info = machine(servers.version())
        async with stack(servers, settings), _swarm(servers) as swarm, _sender(servers, plan.per_second) as sender:
            work = _Live(plan, servers, settings, swarm, sender)
            phases: dict[str, Callable[[], Awaitable[str]]] = {
                "steady": work.steady,
                "slow readers": work.slow,
                "disconnects": work.disconnects,
                "storm": work.storm,
            }
            say("clients come in", 0, len(phases) + 1)
            report = await work.enter()
            found = {}
            for number, (name, phase) in enumerate(phases.items(), start=1):
                say(name, number, len(phases) + 1)
                found[name] = await work.run(name, phase)
            say("done", len(phases) + 1, len(phases) + 1)
            return {"machine": info} | report | work.memory() | {"phases": found}


class _Swarm:
    """The process of the clients."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def tell(self, line: dict[str, Any]) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(json.dumps(line).encode() + b"\n")
            await self._process.stdin.drain()

    async def ask(self, do: str, **values: float) -> dict[str, Any]:
        """Give a command and wait until it is done."""
        await self.tell({"do": do} | values)
        answer = await self._process.stdout.readline() if self._process.stdout else b""
        if not answer:
            raise Miscounted(f"the clients' process ended while it was to {do}")
        found: dict[str, Any] = json.loads(answer)
        return found


@asynccontextmanager
async def _swarm(servers: Servers) -> AsyncIterator[_Swarm]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.bench.swarm"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    swarm = _Swarm(process)
    try:
        await swarm.tell({"port": servers.port, "token": servers.token})
        yield swarm
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class _Sender:
    """Publishes messages at a steady pace while it is let, each with the time at which it was published."""

    def __init__(self, publisher: Publisher, per_second: float) -> None:
        self._publisher = publisher
        self._per_second = per_second
        self._numbers = count()
        self.sent = 0
        self.large = False

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Publish while the block lasts; when it ends, all is acknowledged."""
        stop = asyncio.Event()
        task = asyncio.create_task(self._send(stop))
        try:
            yield
            stop.set()
            await task
        finally:
            task.cancel()

    async def _send(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            async for _ in steps(self._per_second):
                if stop.is_set():
                    return
                group.create_task(self._publisher.publish([self._message()]))
                self.sent += 1

    def _message(self) -> RawMessage:
        now = datetime.now(UTC)
        return RawMessage(
            workspace=WORKSPACE,
            channel=CHANNEL,
            source=SOURCE,
            external_id=f"live-{next(self._numbers)}",
            origin=Origin.LIVE,
            author="bench",
            sent_at=now,
            received_at=now,
            text=f"{STAMP.decode()}{time():.6f} {_WORK if self.large else _PADDING}",
        )


@asynccontextmanager
async def _sender(servers: Servers, per_second: float) -> AsyncIterator[_Sender]:
    async with servers.client("operator") as nc, Publisher(nc) as publisher:
        yield _Sender(publisher, per_second)


class _Live:
    """The phases; each returns what is to be said of it."""

    def __init__(self, plan: Plan, servers: Servers, settings: Settings, swarm: _Swarm, sender: _Sender) -> None:
        self._plan = plan
        self._servers = servers
        self._settings = settings
        self._swarm = swarm
        self._sender = sender
        self._before = self._connected = 0.0

    async def enter(self) -> dict[str, Any]:
        """Bring all clients in; the first one comes alone, so that what the api loads once is not theirs."""
        await self._swarm.ask("join", count=1)
        async with self._sender.sending():
            await asyncio.sleep(0.5)
        self._before = self._memory_now()
        took = await self._swarm.ask("join", count=self._plan.clients - 1)
        self._connected = self._memory_now()
        await self._swarm.ask("report")
        return {
            "clients": self._plan.clients,
            "per_second": self._plan.per_second,
            "connect_seconds": round(took["seconds"], 2),
        }

    def memory(self) -> dict[str, Any]:
        """Tell the memory of the api: before the clients, with them, and after all phases."""
        more = (self._connected - self._before) * 1024 / max(self._plan.clients - 1, 1)
        return {
            "memory": {
                "before_mib": round(self._before, 1),
                "connected_mib": round(self._connected, 1),
                "after_mib": round(self._memory_now(), 1),
                "kib_a_client": round(more, 1),
            }
        }

    async def run(self, name: str, phase: Callable[[], Awaitable[str]]) -> dict[str, Any]:
        """Run a phase while messages flow, then wait until every client has seen every event."""
        meter = self._servers.meter("api")
        meter.start()
        begun = time()
        async with self._sender.sending():
            said = await phase()
        used, took = meter.stop()["api"], time() - begun
        last = await self._last_position()
        late = await self._swarm.ask("reach", position=last, seconds=_SETTLE_SECONDS)
        must_be(f"{name}: clients that did not get to the last event, {last}", late["late"], 0)
        report = await self._swarm.ask("report")
        for fault in ("missed", "doubled", "resync"):
            must_be(f"{name}: events {fault}", report[fault], 0)
        if name in ("steady", "slow readers"):
            what = f"{name}: clients that were cut off although they read (fewer clients, or a lower rate?)"
            must_be(what, report["cut_off"], 0)
        if not report["frames"]:
            raise Miscounted(f"{name}: no frame was timed")
        return report | {"api_cpu_percent": round(100 * used / took, 1), "said": said}

    async def steady(self) -> str:
        """Nothing but messages."""
        await asyncio.sleep(self._plan.seconds)
        return ""

    async def slow(self) -> str:
        """Some clients stop reading: each must be closed with 1013, and the others must not notice."""
        dozing = max(round(self._plan.clients * SLOW_SHARE), 1)
        self._sender.large = self._plan.per_second < _FULL_SOON
        before = await self._closed_behind()
        await self._swarm.ask("doze", count=dozing)
        begun = time()

        async def all_closed() -> bool:
            await asyncio.sleep(0.2)
            return await self._closed_behind() - before >= dozing

        await until(all_closed, seconds=_SLOW_SECONDS, what=f"{dozing} slow clients to be closed")
        took = time() - begun
        self._sender.large = False
        woken = await self._swarm.ask("wake", seconds=_READ_SECONDS)
        must_be("ends that slow clients may not see", set(woken["codes"]) - _ENDS, set())
        told = woken["codes"].get("1013", 0)
        return f"{dozing} closed as they fell behind, after {took:.0f} s; {told} read the 1013"

    async def disconnects(self) -> str:
        """Random clients vanish and resume."""
        done = await self._swarm.ask("disturb", seconds=self._plan.seconds, share=DISCONNECTED_SHARE)
        return f"{done['disconnects']:,} resumed"

    async def storm(self) -> str:
        """All clients vanish at once and come again within a second."""
        done = await self._swarm.ask("storm", within=STORM_SECONDS)
        await asyncio.sleep(self._plan.seconds / 2)
        return f"all in again after {done['seconds']:.1f} s"

    def _memory_now(self) -> float:
        return pss_mib(self._servers.pid("api"))

    async def _last_position(self) -> int:
        """Wait until every message is stored and told; give the position of the last event."""

        async def told() -> bool:
            return self._servers.count(self._settings, "outbox") == 0 and stored() >= self._sender.sent

        def stored() -> int:
            return self._servers.count(self._settings, "messages")

        await until(told, seconds=_SETTLE_SECONDS, what="the pipeline to settle")
        must_be("rows of messages", stored(), self._sender.sent)
        [(last,)] = self._servers.rows(self._settings, "select max(position) from positions")
        return int(last)

    async def _closed_behind(self) -> int:
        async with httpx.AsyncClient(headers=self._servers.headers, timeout=30) as client:
            text = (await client.get(f"{self._servers.url}/metrics")).raise_for_status().text
        found = re.search(r'^tasktracker_websocket_closed_total{reason="behind"} ([\d.]+)$', text, re.MULTILINE)
        return int(float(found[1])) if found else 0


def _allow_files(wanted: int) -> None:
    """Let this process and those that it starts open so many files; raises Miscounted when it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return
    try:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted, hard if hard == resource.RLIM_INFINITY else max(hard, wanted))
        )
    except (ValueError, OSError) as error:
        raise Miscounted(
            f"{wanted:,} open files are needed and {hard:,} are allowed: `ulimit -Hn`, or fewer clients"
        ) from error
