"""The lane requeue: events dead.requeued of the stream RESULTS -> the letter goes back to where it came from."""

import logging
from typing import Any
from uuid import UUID

import nats.errors
import nats.js.errors
import psycopg
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from nats.aio.client import Client
from psycopg_pool import AsyncConnectionPool

from pipelines import metrics
from pipelines.burial import bury, letter
from pipelines.lanes import undecoded
from pipelines.store import dead
from pipelines.store.roads import road
from schemas import subjects
from schemas.dead import DeadLetter
from schemas.errors import Unavailable
from schemas.events import Event, EventType
from schemas.subjects import Durable, Stream

_log = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0
_TIMEOUT_SECONDS = 5.0
_STAGE = "requeue"


def attach(
    broker: NatsBroker, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]], *, inbox_prefix: str = "_INBOX"
) -> None:
    """Subscribe the lane: a wish is fulfilled once, and tried again without end while a server is away."""

    @broker.subscriber(
        subjects.results("*", EventType.DEAD_REQUEUED),
        stream=JStream(Stream.RESULTS, declare=False),
        durable=Durable.REQUEUE,
        pull_sub=PullSub(batch_size=1, timeout=5.0),
        ack_policy=AckPolicy.MANUAL,
        decoder=undecoded,
        inbox_prefix=f"{inbox_prefix}.".encode(),  # the broker's own is not used for pulls
    )
    async def requeue(message: NatsMessage) -> None:
        try:
            raw = message.raw_message
            outcome = await _settle(await broker.connect(), pool, raw.subject, raw.data)
        except Exception:  # a host: the database or NATS is away, or the stream is full
            _log.exception("a dead letter was not sent round again, trying again")
            metrics.LANE_MESSAGES.labels("requeue", "retried").inc()
            await message.nack(delay=_RETRY_SECONDS)
        else:
            metrics.LANE_MESSAGES.labels("requeue", outcome).inc()
            await message.ack()


async def _settle(
    nc: Client, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]], subject: str, body: bytes
) -> str:
    """Send the letter, and note it in the transaction that holds it: broken off between, it is sent under the same id.

    Who edits or drops it meanwhile waits, and finds that it has gone.
    """
    try:
        event = Event.model_validate_json(body)
        name, wish = UUID(event.data["id"]), UUID(event.data["requeue"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"no event that names a letter: {type(error).__name__}"
        await bury(nc, letter(subject, body, stage=_STAGE, reason=reason))
        return "buried"
    async with pool.connection() as conn, conn.transaction():
        held = await dead.asked(conn, event.workspace, name, wish)
        if held is None:
            return "repeated"
        await _send(nc, held, wish)
        await dead.went(conn, held)
    return "done"


async def _send(nc: Client, held: DeadLetter, wish: UUID) -> None:
    """Publish a letter under a new id: NATS would drop the one that it knows from the first time."""
    try:
        await nc.jetstream(timeout=_TIMEOUT_SECONDS).publish(
            held.subject, held.present, stream=road(held.subject), headers={"Nats-Msg-Id": str(wish)}
        )
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
        raise Unavailable(f"dead letter {held.id} was not confirmed: {error!r}") from error
