"""The role dataflow: Bytewax in the main thread, NATS and PostgreSQL on an event loop beside it."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, tzinfo

from bytewax._bytewax import run_main

from deploy import links, streams
from deploy.settings import Settings
from pipelines.bridge import Bridge, event_loop
from pipelines.commit import Committer
from pipelines.dataflow import build
from pipelines.intake import Intake
from pipelines.judges import rules
from pipelines.pulse import beat
from pipelines.sink import Commits
from pipelines.source import Deliveries
from pipelines.store import workspaces
from schemas.subjects import Durable

_START_SECONDS = 60.0
_CLOSE_SECONDS = 10.0


def run_dataflow(settings: Settings, *, committer: type[Committer] = Committer) -> None:
    """Run the flow until SIGTERM or SIGINT, then finish what it holds; what it cannot finish is redelivered."""
    with event_loop() as bridge:
        parts = _Parts(settings, committer)
        bridge.wait(parts.open(), seconds=_START_SECONDS)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: parts.intake.stop())
        try:
            _run(bridge, parts)
        finally:
            bridge.wait(parts.close(), seconds=_CLOSE_SECONDS)


def _run(bridge: Bridge, parts: "_Parts") -> None:
    source, sink = Deliveries(parts.intake), Commits(bridge, parts.committer)
    run_main(build(source, sink, judge=rules.judge, time_zone=parts.time_zone))  # type: ignore[no-untyped-call]  # compiled, and its stub is bare


class _Parts:
    """What the flow needs of the outside; made on the event loop, and closed there."""

    intake: Intake
    committer: Committer
    time_zone: Callable[[str], tzinfo]

    def __init__(self, settings: Settings, committer: type[Committer]) -> None:
        self._settings = settings
        self._committer = committer
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        pool = await self._stack.enter_async_context(links.pool(self._settings, "write", size=2))
        async with pool.connection() as conn:
            zones = await workspaces.time_zones(conn)
        self.time_zone = lambda workspace: zones.get(workspace, UTC)  # one made later: UTC until the next start
        nc = await self._stack.enter_async_context(
            links.nats_client(self._settings, "flow", closed=self._stop, reconnected=self._reconnected)
        )
        self.intake = Intake(nc, {name: streams.consumer_config(name) for name in (Durable.LIVE, Durable.BULK)})
        self.committer = self._committer(pool, nc, self.intake)
        await self.intake.start()
        self._beating = asyncio.create_task(beat(nc, "dataflow", self.committer.trouble))

    async def close(self) -> None:
        self._beating.cancel()
        await self.intake.close()
        await self._stack.aclose()

    def _stop(self) -> None:
        self.intake.stop()

    def _reconnected(self) -> None:
        self.intake.reconnected()
