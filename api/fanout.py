"""The fan-out: one reader of RESULTS a process, and every WebSocket is told from its memory."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncGenerator, Collection, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, islice
from time import monotonic
from types import TracebackType
from typing import Any, Self, TypeAlias

import nats.errors
import nats.js.errors
import psycopg
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as Inbox
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from psycopg_pool import AsyncConnectionPool

from api.queries import events
from schemas.events import Event
from schemas.subjects import Stream

_log = logging.getLogger(__name__)

Pool: TypeAlias = AsyncConnectionPool[psycopg.AsyncConnection[Any]]

PAGE = 500
"""Events read from the database at once."""

_PULL = {"batch": 256, "max_bytes": 8 * 1024**2, "expires": 30 * 10**9, "idle_heartbeat": 10**9}
_ENDS = {"Batch Completed", "Message Size Exceeds MaxBytes"}
_HEARTBEAT = "100"
_SILENCE_SECONDS = 3.5
"""Three heartbeats missed: the consumer, the stream or NATS itself is gone."""

_ANSWER_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
_FIRST_DELAY_SECONDS = 0.1
_LONGEST_DELAY_SECONDS = 5.0
_WORKING_SECONDS = 10.0
"""A consumer that lived longer than this was not a failed attempt."""

_OVERLAP = timedelta(seconds=5)
"""How far a new consumer goes back; what was seen is dropped by its position."""


@dataclass(frozen=True, slots=True)
class Frame:
    """An event as WebSockets send it: ``text`` is the whole frame, made once for all of them."""

    position: int
    workspace: str
    type: str
    text: str


def frame_of_body(body: bytes) -> Frame:
    """Make a frame around an event as RESULTS has it; raises ValueError for anything else."""
    try:
        told = json.loads(body)
        position = int(told["position"])
        return Frame(position, str(told["workspace"]), str(told["type"]), _frame(position, body.decode()))
    except (TypeError, KeyError) as error:
        raise ValueError("not an event with a position") from error


def frame_of_event(event: Event) -> Frame:
    """Make a frame of an event that has its position."""
    if event.position is None:
        raise ValueError(f"event {event.id} has no position yet")
    return Frame(event.position, event.workspace, event.type, _frame(event.position, event.model_dump_json()))


def _frame(position: int, event: str) -> str:
    return f'{{"type":"event","position":{position},"event":{event}}}'


class FellBehind(Exception):
    """This subscriber was told more than it took: what it missed is forgotten."""


class _Interrupted(Exception):
    """Reading cannot go on as it is: begin again from the last position."""


class Subscription:
    """What one WebSocket has still to send: the matching frames above ``after``, in order.

    ``types`` empty: all of them.
    """

    def __init__(
        self, workspace: str, types: Collection[str], after: int, *, backlog: Collection[Frame], queue: int
    ) -> None:
        self.after = after
        self._workspace = workspace
        self._types = types
        self._frames = deque(frame for frame in backlog if self.wants(frame))
        self._most = len(self._frames) + queue
        self._lost = False
        self._wake = asyncio.Event()

    def wants(self, frame: Frame) -> bool:
        """Tell whether the frame is for this subscriber."""
        return (
            frame.position > self.after
            and frame.workspace == self._workspace
            and (not self._types or frame.type in self._types)
        )

    def offer(self, frame: Frame) -> None:
        """Take a frame without waiting; one too many loses them all."""
        if self._lost or not self.wants(frame):
            return
        if len(self._frames) >= self._most:
            self._lost = True
            self._frames.clear()
        else:
            self._frames.append(frame)
        self._wake.set()

    async def next(self) -> Frame:
        """Wait for the next frame; raises FellBehind when some were lost."""
        while not self._frames:
            if self._lost:
                raise FellBehind
            self._wake.clear()
            await self._wake.wait()
        return self._frames.popleft()


class Fanout:
    """Reads RESULTS while its block lasts, whatever happens to NATS, and tells every subscriber.

    Positions decide, stream sequences never do: a position seen before is dropped, what was skipped is read from the
    database (the pool ``missing``). ``ring``: frames kept for those who resume. ``queue``: frames that a subscriber may
    be behind. ``closing`` is set when the WebSockets must go.
    """

    def __init__(self, nc: Client, *, missing: Pool, ring: int = 2_000, queue: int = 1_000) -> None:
        self._nc = nc
        self._js = nc.jetstream(timeout=_ANSWER_SECONDS)
        self._pool = missing
        self._ring: deque[Frame] = deque(maxlen=ring)
        self._queue = queue
        self._subscriptions: set[Subscription] = set()
        self._position: int | None = None
        self._known = asyncio.Event()
        self._heard: datetime | None = None
        self._reader: asyncio.Task[None] | None = None
        self.closing = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._run(), name="fanout")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader

    @property
    def position(self) -> int | None:
        """The last position told; None until NATS and the database have been reached for the first time."""
        return self._position

    @property
    def sockets(self) -> int:
        """How many subscribers there are."""
        return len(self._subscriptions)

    async def known(self) -> int:
        """Wait until there is a position, and return it."""
        while self._position is None:
            await self._known.wait()
        return self._position

    def remembers(self, after: int) -> bool:
        """Tell whether all that was told above a position is still in memory."""
        oldest = self._ring[0].position if self._ring else (self._position or 0) + 1
        return after >= oldest - 1

    @contextmanager
    def subscribe(self, workspace: str, types: Collection[str], *, after: int) -> Iterator[Subscription]:
        """Follow from just above a position that is remembered; ``types`` empty: all of them."""
        if not self.remembers(after):
            raise ValueError(f"position {after} is not remembered any more")
        skipped = after + 1 - self._ring[0].position if self._ring else 0
        backlog = list(islice(self._ring, max(skipped, 0), None))
        subscription = Subscription(workspace, types, after, backlog=backlog, queue=self._queue)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    async def _run(self) -> None:
        delay = _FIRST_DELAY_SECONDS
        while True:
            before, begun = self._position, monotonic()
            try:
                await self._follow()
            except Exception as error:  # nobody else would begin it again
                _log.warning("reading RESULTS begins again: %s", str(error).partition("\n")[0] or repr(error))
            worked = self._position != before or monotonic() - begun > _WORKING_SECONDS
            delay = _FIRST_DELAY_SECONDS if worked else min(delay * 2, _LONGEST_DELAY_SECONDS)
            await asyncio.sleep(delay)

    async def _follow(self) -> None:
        """Read with one consumer until it fails."""
        stored = await self._stored_position()
        await self._fill(stored)
        made = await self._js.add_consumer(Stream.RESULTS, self._start())
        if self._position is None and not made.num_pending:
            self._begin_at(stored)
        async with aclosing(self._pull(made.name)) as messages:
            async for message in messages:
                await self._hear(message, stored)

    async def _hear(self, message: Msg, stored: int) -> None:
        self._heard = message.metadata.timestamp
        try:
            frame = frame_of_body(message.data)
        except ValueError as error:
            _log.error("RESULTS holds something else than events: %s", error)
            if self._position is None:
                self._begin_at(stored)
            return
        if self._position is None:
            # Nobody follows yet. The database is behind while a batch is being marked, ahead in a rebuild.
            self._begin_at(max(stored, frame.position))
        if self._position is not None and frame.position > self._position:
            await self._fill(frame.position - 1)
            self._tell(frame)

    def _start(self) -> ConsumerConfig:
        config = ConsumerConfig(ack_policy=AckPolicy.NONE, mem_storage=True, inactive_threshold=30)
        if self._heard is None:
            config.deliver_policy = DeliverPolicy.LAST
        else:
            # By time: a stream that was made anew counts its sequences from 1 again.
            config.deliver_policy = DeliverPolicy.BY_START_TIME
            config.opt_start_time = self._heard - _OVERLAP
        return config

    def _begin_at(self, position: int) -> None:
        self._position = position
        self._known.set()

    async def _fill(self, upto: int) -> None:
        """Tell what the stream did not, up to a position."""
        while self._position is not None and self._position < upto:
            async with asyncio.timeout(_ANSWER_SECONDS), self._pool.connection() as conn:
                page = await events.after(conn, None, self._position, limit=min(PAGE, upto - self._position))
            if not page:
                raise _Interrupted(f"position {self._position + 1} is not in the database yet")
            for event in page:
                self._tell(frame_of_event(event))
            await asyncio.sleep(0)  # let the sockets send

    def _tell(self, frame: Frame) -> None:
        if self._position is None or frame.position != self._position + 1:
            raise _Interrupted(f"position {frame.position} came after {self._position}")
        self._position = frame.position
        self._ring.append(frame)
        for subscription in self._subscriptions:
            subscription.offer(frame)

    async def _stored_position(self) -> int:
        async with asyncio.timeout(_ANSWER_SECONDS), self._pool.connection() as conn:
            return await events.newest_position(conn)

    async def _pull(self, consumer: str) -> AsyncGenerator[Msg]:
        """Yield messages for as long as the consumer lives; raises _Interrupted when it is gone."""
        inbox = self._nc.new_inbox()
        arrived: asyncio.Queue[Msg] = asyncio.Queue()
        subscription = await self._nc.subscribe(f"{inbox}.*", cb=arrived.put)
        ask = f"$JS.API.CONSUMER.MSG.NEXT.{Stream.RESULTS}.{consumer}"
        try:
            for number in count():
                await self._nc.publish(ask, json.dumps(_PULL).encode(), reply=f"{inbox}.{number}")
                left = _PULL["batch"]
                while left:
                    message = await _next(arrived)
                    status = (message.headers or {}).get("Status")
                    if status is None:
                        left -= 1
                        yield message
                    # The end of a pull may be told behind its last message, when the next one has begun.
                    elif status != _HEARTBEAT and message.subject == f"{inbox}.{number}":
                        left = 0
                        _refuse(status, message)
        finally:
            await self._let_go(subscription, consumer)

    async def _let_go(self, inbox: Inbox, consumer: str) -> None:
        """Leave nothing behind; what cannot be reached goes by itself when it is idle."""
        with suppress(nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await inbox.unsubscribe()
                await self._js.delete_consumer(Stream.RESULTS, consumer)


async def _next(arrived: asyncio.Queue[Msg]) -> Msg:
    if not arrived.empty():
        return arrived.get_nowait()
    try:
        async with asyncio.timeout(_SILENCE_SECONDS):
            return await arrived.get()
    except TimeoutError:
        raise _Interrupted("neither events nor heartbeats") from None


def _refuse(status: str, message: Msg) -> None:
    """Raise _Interrupted unless the pull ended as it should: by time, number or size."""
    said = (message.headers or {}).get("Description", "")
    if status != "408" and said not in _ENDS:
        raise _Interrupted(f"NATS ended the pull: {status} {said}")
