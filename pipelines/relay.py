"""The relay: gives every event its place in one dense order and publishes it to RESULTS."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any
from uuid import UUID

import nats.errors
import nats.js.errors
import psycopg
from nats.aio.client import Client
from nats.js import JetStreamContext

from pipelines import metrics
from pipelines.pulse import Trouble
from pipelines.store import outbox
from pipelines.store.events import CHANNEL
from pipelines.store.outbox import Told
from schemas import subjects
from schemas.events import Event
from schemas.subjects import Stream

_log = logging.getLogger(__name__)

BATCH = 500
MIN_ATOMIC = 8
"""Below it, single messages in flight together are faster than an atomic batch."""

POLL_SECONDS = 1.0
"""How often to look without having been woken, and how soon a stand-by notices that the leader is gone."""

_TIMEOUT_SECONDS = 5.0

Connection = psycopg.AsyncConnection[Any]


class Fenced(Exception):
    """RESULTS is not where we left it: somebody else has written, or it was made anew."""


async def relay(
    connect: Callable[[], Awaitable[Connection]], nc: Client, stop: asyncio.Event, *, trouble: Trouble | None = None
) -> None:
    """Relay while leading, stand by otherwise, until ``stop``; whatever fails is begun again from what is stored.

    ``connect`` opens an autocommit connection of the writing role: the leader's lock lives and dies with it.
    """
    trouble = trouble or Trouble()
    while not stop.is_set():
        try:
            async with await connect() as conn:
                await _stand_by(conn, stop, trouble)
                if not stop.is_set():
                    metrics.RELAY_LEADER.set(1)
                    await _lead(conn, nc, stop, trouble)
        except (psycopg.Error, nats.errors.Error, nats.js.errors.Error, Fenced, OSError, TimeoutError) as error:
            trouble.note(error)
            _log.warning("the relay starts over: %s", str(error).partition("\n")[0] or repr(error))
            await _pause(stop)
        finally:
            metrics.RELAY_LEADER.set(0)


async def _stand_by(conn: Connection, stop: asyncio.Event, trouble: Trouble) -> None:
    while not stop.is_set() and not await outbox.lead(conn):
        trouble.clear()
        await _pause(stop)


async def _pause(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), POLL_SECONDS)
    except TimeoutError:
        return


async def _lead(conn: Connection, nc: Client, stop: asyncio.Event, trouble: Trouble) -> None:
    await conn.execute(f"listen {CHANNEL}")
    results = Results(nc)
    await reconcile(conn, results)
    position = await outbox.last_position(conn)
    _log.info("leading from position %d", position)
    while not stop.is_set():
        begun = perf_counter()
        events = await outbox.pending(conn, limit=BATCH)
        if not events:
            trouble.clear()
            async for _ in conn.notifies(timeout=POLL_SECONDS, stop_after=1):
                pass
            continue
        await results.append([(position + place, event) for place, event in enumerate(events, start=1)])
        await outbox.place(conn, [(position + place, event.id) for place, event in enumerate(events, start=1)])
        position += len(events)
        trouble.clear()
        metrics.RELAYED.inc(len(events))
        metrics.RELAY_SECONDS.observe(perf_counter() - begun)


class Results:
    """The stream RESULTS as its one writer sees it: every write says where it expects the end to be."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._js: JetStreamContext = nc.jetstream(timeout=_TIMEOUT_SECONDS)
        self._last_seq = 0
        self._batch = 0

    async def catch_up(self) -> int:
        """Learn where the stream ends; return the position of its last event, 0 when there is none."""
        info = await self._js.stream_info(Stream.RESULTS)
        self._last_seq = info.state.last_seq
        if info.state.messages == 0:
            return 0
        return (await self._event(self._last_seq)).position or 0

    async def positions(self, *, after: int, last: int) -> list[tuple[int, UUID]]:
        """Read the positions above ``after`` from the stream, which holds one event a position, densely."""
        found = [await self._event(self._last_seq - (last - position)) for position in range(after + 1, last + 1)]
        return [(event.position or 0, event.id) for event in found]

    async def _event(self, seq: int) -> Event:
        message = await self._js.get_msg(Stream.RESULTS, seq=seq, direct=True)
        return Event.model_validate_json(message.data or b"")

    async def append(self, events: Sequence[tuple[int, Told]], *, message_ids: bool = True) -> None:
        """Publish events behind the last one, or raise; ``message_ids`` is off where the stream has forgotten them."""
        messages = [
            (
                subjects.results(event.workspace, event.type),
                encode(event, position),
                {"Nats-Msg-Id": str(event.id)} if message_ids else {},
            )
            for position, event in events
        ]
        if len(messages) < MIN_ATOMIC:
            await asyncio.gather(
                *(
                    self._publish(*message, expect=self._last_seq + place, answer=self._last_seq + place + 1)
                    for place, message in enumerate(messages)
                )
            )
        else:
            await self._together(messages)
        self._last_seq += len(messages)

    async def _together(self, messages: Sequence[tuple[str, bytes, dict[str, str]]]) -> None:
        self._batch += 1
        batch_id = f"relay-{self._last_seq}-{self._batch}"
        for number, (subject, body, headers) in enumerate(messages, start=1):
            headers |= {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
            if number == len(messages):
                headers["Nats-Batch-Commit"] = "1"
                await self._publish(subject, body, headers, answer=self._last_seq + len(messages))
            elif number == 1:
                await self._publish(subject, body, headers, expect=self._last_seq)
            else:
                await self._nc.publish(subject, body, headers=headers)

    async def _publish(
        self,
        subject: str,
        body: bytes,
        headers: dict[str, str],
        *,
        expect: int | None = None,
        answer: int | None = None,
    ) -> None:
        if expect is not None:
            headers["Nats-Expected-Last-Sequence"] = str(expect)
        reply = await self._nc.request(subject, body, timeout=_TIMEOUT_SECONDS, headers=headers or None)
        said = json.loads(reply.data) if reply.data else {}
        if "error" in said or (answer is not None and said.get("seq") != answer):
            raise Fenced(f"RESULTS answered {said}, expected sequence {answer}")


async def reconcile(conn: Connection, results: Results) -> None:
    """Bring the positions stored and the stream to the same end, whoever died in between.

    Published but not stored (killed before the mark): the stream's word is stored. Stored but not published (RESULTS
    was lost or made anew): the events are published again at their old positions.
    """
    stored = await outbox.last_position(conn)
    published = await results.catch_up()
    if published > stored:
        await outbox.place(conn, await results.positions(after=stored, last=published))
    while published < stored:
        again = await outbox.placed(conn, after=published, limit=BATCH)
        await results.append(again, message_ids=False)
        published = again[-1][0]


def encode(event: Told, position: int) -> bytes:
    """Write an event as JSON; its data goes in as PostgreSQL wrote it. See schemas.events.Event."""
    head = {
        "v": 1,
        "id": str(event.id),
        "position": position,
        "workspace": event.workspace,
        "type": event.type,
        "at": event.at.isoformat(),
        "actor": event.actor,
        "task": str(event.task) if event.task else None,
        "message": event.message,
    }
    return f'{json.dumps(head)[:-1]}, "data": {event.data}}}'.encode()
