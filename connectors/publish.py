"""Publishing raw messages: who gets an answer has it on NATS's disk."""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from math import inf
from time import monotonic
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import nats.errors
from nats.aio.client import Client

from schemas import subjects
from schemas.errors import Full, TooLarge, Unavailable
from schemas.messages import RawMessage

MAX_BATCH = 1_000
"""Messages in one atomic batch: the server's own limit."""

MAX_BATCH_BYTES = 8_000_000
MIN_BATCH = 8
"""Below it, single messages in flight together are faster than a batch."""

HEADER_ROOM = 1_024
"""Bytes of a message's payload limit that are left to its headers."""

STALLED_SECONDS = 15.0
"""How long a publisher counts as stalled after a message that was not confirmed, unless one has been since."""

_FULL = {10077, 10047, 10023}
_TOO_LARGE = {10054}


@dataclass(frozen=True, slots=True)
class _Waiting:
    subject: str
    body: bytes
    headers: dict[str, str]
    stored: asyncio.Future[None]


class _BatchRefused(Exception):
    """The server will not take these messages together."""


class Publisher:
    """Publishes to the stream of raw messages, many callers at once sharing one atomic batch.

    While one flush is under way the next callers gather, so a batch is as large as the load makes it.
    """

    def __init__(self, nc: Client, *, max_waiting: int = 10_000, timeout_seconds: float = 5.0) -> None:
        self._nc = nc
        self._max_waiting = max_waiting
        self._timeout_seconds = timeout_seconds
        self._waiting: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._flusher: asyncio.Task[None] | None = None
        self._unconfirmed_at = -inf
        self._batch_ids = (f"{uuid4().hex[:16]}-{number}" for number in count())

    async def __aenter__(self) -> Self:
        self._flusher = asyncio.create_task(self._run(), name="publisher")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._flusher is not None:
            self._flusher.cancel()
            with suppress(asyncio.CancelledError):
                await self._flusher
            self._flusher = None
        self._refuse_waiting(Unavailable("the publisher was closed"))

    @property
    def stalled(self) -> bool:
        """Whether NATS lately left a message unconfirmed; it may be connected all the same, with a full disk, say."""
        return monotonic() - self._unconfirmed_at < STALLED_SECONDS

    async def publish(self, messages: Sequence[RawMessage], *, bulk: bool = False) -> None:
        """Return when NATS has every message on disk.

        ``bulk`` sends them behind all live messages and without a ``Nats-Msg-Id``: the database's unique key decides.
        Raises Unavailable (also its subclass Full) when at least one message was not acknowledged: it may or may not
        have been stored, and sending all of them again is safe. Raises TooLarge before anything is sent.
        """
        if self._flusher is None:
            raise Unavailable("the publisher is not open")
        room = self._nc.max_payload - HEADER_ROOM
        loop = asyncio.get_running_loop()
        entries = [_entry(message, bulk=bulk, room=room, stored=loop.create_future()) for message in messages]
        if len(self._waiting) + len(entries) > self._max_waiting:
            raise Unavailable(f"more than {self._max_waiting} messages are waiting for NATS already")
        self._waiting.extend(entries)
        self._wake.set()
        outcomes = await asyncio.gather(*(entry.stored for entry in entries), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = self._take()
                try:
                    await self._flush(batch)
                except BaseException:
                    for entry in batch:
                        _settle(entry, Unavailable("the publisher stopped before NATS answered"))
                    raise

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and len(batch) < MAX_BATCH and size < MAX_BATCH_BYTES:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].body)
        return batch

    async def _flush(self, batch: list[_Waiting]) -> None:
        if len(batch) < MIN_BATCH:
            await self._one_by_one(batch)
            return
        try:
            await self._together(batch)
        except (_BatchRefused, TooLarge):  # one of them is to blame, and only alone it is known which
            await self._one_by_one(batch)
        except Unavailable as error:
            for entry in batch:
                _settle(entry, error)
        else:
            for entry in batch:
                _settle(entry, None)

    async def _one_by_one(self, batch: list[_Waiting]) -> None:
        outcomes = await asyncio.gather(
            *(self._request(entry, entry.headers) for entry in batch), return_exceptions=True
        )
        for entry, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                _settle(entry, Unavailable(str(outcome)) if isinstance(outcome, _BatchRefused) else outcome)
            else:
                _settle(entry, None)

    async def _together(self, batch: list[_Waiting]) -> None:
        """Store all or nothing: an atomic batch of JetStream (nats-server 2.12 and later)."""
        batch_id = next(self._batch_ids)
        for number, entry in enumerate(batch, start=1):
            headers = entry.headers | {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
            if number == len(batch):
                await self._request(entry, headers | {"Nats-Batch-Commit": "1"})
            elif number == 1:  # an empty answer means: go on
                await self._request(entry, headers)
            else:
                await self._send(entry, headers)

    async def _send(self, entry: _Waiting, headers: dict[str, str]) -> None:
        try:
            await self._nc.publish(entry.subject, entry.body, headers=headers)
        except nats.errors.Error as error:
            raise Unavailable(f"NATS is away: {error!r}") from error

    async def _request(self, entry: _Waiting, headers: dict[str, str]) -> None:
        if not self._nc.is_connected:  # the client would keep it for later, and we could not say whether it went
            raise Unavailable("NATS is away: not connected")
        try:
            answer = await self._nc.request(
                entry.subject, entry.body, timeout=self._timeout_seconds, headers=headers or None
            )
        except (nats.errors.Error, TimeoutError, OSError) as error:
            self._unconfirmed_at = monotonic()
            raise Unavailable(f"NATS did not confirm the message: {error!r}") from error
        if answer.data:
            _check(answer.data)
            self._unconfirmed_at = -inf

    def _refuse_waiting(self, error: Exception) -> None:
        while self._waiting:
            _settle(self._waiting.popleft(), error)


def _entry(message: RawMessage, *, bulk: bool, room: int, stored: asyncio.Future[None]) -> _Waiting:
    body = message.model_dump_json(exclude_none=True).encode()
    if len(body) > room:
        raise TooLarge(f"{message.key}: {len(body):,} bytes, of which NATS carries {room:,}")
    name = subjects.bulk if bulk else subjects.raw
    headers = {} if bulk else {"Nats-Msg-Id": message.message_id}
    return _Waiting(name(message.workspace, message.channel, message.source), body, headers, stored)


def _settle(entry: _Waiting, error: BaseException | None) -> None:
    if entry.stored.done():  # the caller went away
        return
    if error is None:
        entry.stored.set_result(None)
    else:
        entry.stored.set_exception(error)


def _check(answer: bytes) -> None:
    try:
        error: dict[str, Any] | None = json.loads(answer).get("error")
    except (ValueError, AttributeError) as wrong:
        raise Unavailable("what answered is no JetStream") from wrong
    if error is None:
        return
    code, description = error.get("err_code"), error.get("description", "")
    if code in _FULL:
        raise Full(f"the stream of raw messages is full: {description}")
    if code in _TOO_LARGE:
        raise TooLarge(description)
    raise _BatchRefused(f"NATS refused: {description} ({code})")
