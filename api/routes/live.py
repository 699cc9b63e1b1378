"""The WebSocket: hello, what was missed, then every event as it happens."""

import asyncio
import json
from collections.abc import Collection, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn
from uuid import UUID

import psycopg
from prometheus_client import Counter, Gauge
from psycopg_pool import PoolTimeout
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.fanout import PAGE, Fanout, FellBehind, Pool, Subscription, frame_of_event
from api.queries import events
from schemas.events import EventType

SOCKETS = Gauge("tasktracker_websockets", "WebSockets that are open")
CLOSED = Counter("tasktracker_websocket_closed_total", "WebSockets that were closed", ["reason"])

SEND_SECONDS = 10.0
"""How long a client may leave its connection unread."""

_CLOSE_SECONDS = 3.0
"""How long a client that did not read is given to read that it is closed."""

_START_SECONDS = 5.0
_STORED_SECONDS = 5.0
_LOOK_SECONDS = 0.05

_POLICY_VIOLATION = 1008
_SERVICE_RESTART = 1012
_TRY_AGAIN_LATER = 1013


class End(StrEnum):
    """Why a WebSocket ended."""

    CLIENT = "client"
    BEHIND = "behind"
    UNAVAILABLE = "unavailable"
    SHUTDOWN = "shutdown"


class _Gone(Exception):
    """There is nobody to send to any more."""


async def live(
    websocket: WebSocket,
    fanout: Fanout,
    read: Pool,
    workspace: str,
    after: int | None,
    epoch: UUID | None,
    types: Collection[str],
    *,
    send_seconds: float = SEND_SECONDS,
) -> None:
    """Serve one client, who may come in, until it leaves, falls behind or the process stops.

    ``after``: the last position that it has seen; None: it starts from now. ``epoch``: the one that it saw that in;
    None: it trusts that it is still the same. ``types`` empty: all of them.
    """
    if not set(types) <= set(EventType):
        await websocket.close(_POLICY_VIOLATION)  # before accept: an HTTP 403
        return
    await websocket.accept()
    talk = _Talk(websocket, fanout, read, workspace, types, send_seconds)
    with SOCKETS.track_inprogress():
        end = await _first(talk.run(after, epoch), _left(websocket), _closing(fanout))
    CLOSED.labels(end).inc()
    if end is not End.CLIENT:
        await _close(websocket, end)


async def _first(*parts: Coroutine[Any, Any, End]) -> End:
    """Run the parts until one of them ends; the others are cancelled."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return next(task for task in tasks if task in done).result()


async def _left(websocket: WebSocket) -> End:
    """Wait until the client goes, or the server that stops takes its leave; what the client says is ignored."""
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        continue
    return End.SHUTDOWN if message.get("code") == _SERVICE_RESTART else End.CLIENT


async def _closing(fanout: Fanout) -> End:
    await fanout.closing.wait()
    return End.SHUTDOWN


async def _close(websocket: WebSocket, end: End) -> None:
    # RuntimeError: the server has closed it by itself in the meantime.
    with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await websocket.close(_SERVICE_RESTART if end is End.SHUTDOWN else _TRY_AGAIN_LATER, end)


@dataclass(frozen=True, slots=True)
class _Talk:
    """What is said to one client."""

    websocket: WebSocket
    fanout: Fanout
    read: Pool
    workspace: str
    types: Collection[str]
    send_seconds: float

    async def run(self, after: int | None, epoch: UUID | None) -> End:
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self.fanout.known()
            async with asyncio.timeout(_START_SECONDS), self.read.connection() as conn:
                current = await events.epoch(conn)
                stored = await events.newest_position(conn)
            newest = max(await self.fanout.known(), stored)
            if after is not None and after <= newest and epoch in (None, current):
                await self._resume(after, newest, current)
            else:
                await self._from_now(current, resync=after is not None or epoch not in (None, current))
        except _Gone:
            return End.CLIENT
        except FellBehind:
            return End.BEHIND
        except (psycopg.OperationalError, PoolTimeout, TimeoutError):
            return End.UNAVAILABLE

    async def _resume(self, after: int, newest: int, epoch: UUID) -> NoReturn:
        await self._hello(newest, epoch)
        while not self.fanout.remembers(after):
            after = await self._read_on(after)
        with self.fanout.subscribe(self.workspace, self.types, after=after) as subscription:
            await self._follow(subscription)

    async def _from_now(self, epoch: UUID, *, resync: bool) -> NoReturn:
        now = await self.fanout.known()
        with self.fanout.subscribe(self.workspace, self.types, after=now) as subscription:
            await self._hello(now, epoch)
            if resync:
                await self._send('{"type":"resync"}')
            await self._follow(subscription)

    async def _read_on(self, after: int) -> int:
        """Send a page of what is older than the memory; return the position up to which nothing is missing now."""
        async with asyncio.timeout(_STORED_SECONDS):
            while True:
                async with self.read.connection() as conn:
                    stored = await events.newest_position(conn)
                    page = await events.after(conn, self.workspace, after, limit=PAGE)
                if stored > after:
                    break
                await asyncio.sleep(_LOOK_SECONDS)  # told already, but the relay has yet to mark it
        for event in page:
            if not self.types or event.type in self.types:
                await self._send(frame_of_event(event).text)
        last = page[-1].position if page else None
        return last if last is not None and (len(page) == PAGE or last > stored) else stored

    async def _follow(self, subscription: Subscription) -> NoReturn:
        while True:
            await self._send((await subscription.next()).text)

    async def _hello(self, position: int, epoch: UUID) -> None:
        await self._send(json.dumps({"type": "hello", "epoch": str(epoch), "position": position}))

    async def _send(self, text: str) -> None:
        try:
            async with asyncio.timeout(self.send_seconds):
                await self.websocket.send_text(text)
        except TimeoutError:
            raise FellBehind from None
        except (WebSocketDisconnect, RuntimeError):  # RuntimeError: the server has closed it by itself
            raise _Gone from None
