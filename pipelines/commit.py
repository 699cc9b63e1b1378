"""The end of the flow: commit, then acknowledge; what cannot be stored is buried with its reason."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any, TypeAlias, TypeVar

import nats.errors
import psycopg
import psycopg.errors
from nats.aio.client import Client
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from pipelines import metrics
from pipelines.burial import Letter, bury, letter
from pipelines.carry import Carried, Delivery, Refusal
from pipelines.intake import Intake
from pipelines.pulse import Trouble
from pipelines.store.messages import Persisted, persist
from schemas.errors import Unavailable
from schemas.tasks import Extracted

_log = logging.getLogger(__name__)

T = TypeVar("T")
Item: TypeAlias = Carried[Extracted]
Pool: TypeAlias = AsyncConnectionPool[psycopg.AsyncConnection[Any]]

OUTAGE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.InternalError,
    psycopg.ProgrammingError,
    PoolTimeout,
    OSError,
)
"""The database is away, busy, full, read-only or of another shape: the messages are not to blame, so they wait."""

TOO_MUCH = (psycopg.errors.ProgramLimitExceeded, psycopg.errors.StatementTooComplex)
"""Operational errors by their class, yet a message is to blame: it is more than PostgreSQL takes."""

_FIRST_DELAY_SECONDS, _LAST_DELAY_SECONDS = 0.1, 2.0
STOP_SECONDS = 4.0
"""How long all batches together go on trying after the flow was asked to stop; what is left is redelivered."""

_LOOK_SECONDS = 0.25
_CANCEL_SECONDS = 1.0


class Stopped(Exception):
    """The flow was asked to stop while the database was away; nothing of the batch was acknowledged."""


class Committer:
    """Stores batches in the order in which they come, one transaction each, and acknowledges them afterwards."""

    def __init__(self, pool: Pool, nc: Client, intake: Intake, *, stop_seconds: float = STOP_SECONDS) -> None:
        self._pool = pool
        self._nc = nc
        self._intake = intake
        self._stop_seconds = stop_seconds
        self._stop_seen: float | None = None
        self._turn = asyncio.Lock()
        self.trouble = Trouble()

    async def commit(self, batch: Sequence[Item]) -> None:
        """Store a batch, bury what cannot be used, and acknowledge all of it; raises Stopped."""
        refused = [(item.delivery, item.value) for item in batch if isinstance(item.value, Refusal)]
        good = [item for item in batch if not isinstance(item.value, Refusal)]
        async with self._turn:
            refused += await self._store(good)
        for delivery, refusal in refused:
            await self._insist(partial(bury, self._nc, _letter(delivery, refusal)))
        metrics.MESSAGES.labels("refused").inc(len(refused))
        await self._intake.acknowledge([item.delivery for item in batch])

    async def _store(self, items: Sequence[Item]) -> list[tuple[Delivery, Refusal]]:
        """Store items in one transaction; where one of them spoils it, halve until the culprit is alone."""
        if not items:
            return []
        try:
            outcome = await self._insist(partial(self._persist, items))
        except Stopped:
            raise
        except Exception as error:  # a host: poison, to be found by bisecting
            if len(items) == 1:
                reason = f"{type(error).__name__}: {error}"[:500]
                _log.warning("one message cannot be stored: %s", type(error).__name__)
                return [(items[0].delivery, Refusal("persist", reason))]
            half = len(items) // 2
            return [*await self._store(items[:half]), *await self._store(items[half:])]
        metrics.MESSAGES.labels("inserted").inc(outcome.inserted)
        metrics.MESSAGES.labels("advanced").inc(outcome.advanced)
        metrics.MESSAGES.labels("unchanged").inc(outcome.unchanged)
        return [(items[place].delivery, Refusal("persist", reason)) for place, reason in outcome.refused]

    async def _persist(self, items: Sequence[Item]) -> Persisted:
        async with self._pool.connection() as conn:
            return await persist(conn, [item.value for item in items if not isinstance(item.value, Refusal)])

    async def _insist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it works, or fails for a reason that lies in the message; raises Stopped."""
        delay = _FIRST_DELAY_SECONDS
        while True:
            try:
                outcome = await self._in_time(attempt())
                metrics.PAUSED.set(0)
                self.trouble.clear()
                return outcome
            except TOO_MUCH:
                raise
            except (*OUTAGE, Unavailable, nats.errors.Error) as error:
                metrics.PAUSED.set(1)
                self.trouble.note(error)
                _log.warning("paused, trying again: %s", str(error).partition("\n")[0] or repr(error))
            if self._overdue():
                raise Stopped
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LAST_DELAY_SECONDS)

    async def _in_time(self, work: Awaitable[T]) -> T:
        """Wait for one attempt; a server that does not answer must not outlast the time there is to stop."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=_LOOK_SECONDS)
                if not task.done() and self._overdue():
                    raise Stopped
            return task.result()
        finally:
            if task.cancel():
                await asyncio.wait({task}, timeout=_CANCEL_SECONDS)

    def _overdue(self) -> bool:
        if not self._intake.stopping.is_set():
            return False
        now = monotonic()
        self._stop_seen = self._stop_seen or now
        return now - self._stop_seen > self._stop_seconds


def _letter(of: Delivery, refusal: Refusal) -> Letter:
    return letter(of.subject, of.body, stage=refusal.stage, reason=refusal.reason, sequence=of.sequence)
