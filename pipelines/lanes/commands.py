"""The lane commands: stream COMMANDS -> the change that a person asked for in a chat."""

import logging
from typing import Any

import psycopg
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from psycopg_pool import AsyncConnectionPool

from pipelines import metrics
from pipelines.burial import bury, letter
from pipelines.lanes import undecoded
from pipelines.store.commands import obey, read
from schemas.errors import Conflict, NotFound, Rejected
from schemas.subjects import Durable, Stream

_log = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0
_STAGE = "commands"


def attach(
    broker: NatsBroker, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]], *, inbox_prefix: str = "_INBOX"
) -> None:
    """Subscribe the lane: a command that can never be done is buried, one that cannot be done now is tried again."""

    @broker.subscriber(
        "commands.>",
        stream=JStream(Stream.COMMANDS, declare=False),
        durable=Durable.COMMANDS,
        pull_sub=PullSub(batch_size=1, timeout=5.0),
        ack_policy=AckPolicy.MANUAL,
        decoder=undecoded,
        inbox_prefix=f"{inbox_prefix}.".encode(),  # the broker's own is not used for pulls
    )
    async def commands(message: NatsMessage) -> None:
        try:
            raw = message.raw_message
            place = str(raw.metadata.sequence.stream)  # tells one that was sent round again from a redelivery
            outcome = await _settle(broker, pool, raw.subject, raw.data, place)
        except Exception:  # a host: the database or NATS is away
            _log.exception("a command was not done, trying again")
            metrics.LANE_MESSAGES.labels("commands", "retried").inc()
            await message.nack(delay=_RETRY_SECONDS)
        else:
            metrics.LANE_MESSAGES.labels("commands", outcome).inc()
            await message.ack()


async def _settle(
    broker: NatsBroker, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]], subject: str, body: bytes, place: str
) -> str:
    try:
        command = read(subject, body)
        async with pool.connection() as conn:
            return "done" if await obey(conn, command) else "repeated"
    except Rejected as error:
        reason = error.reason
    except (NotFound, Conflict, ValueError, psycopg.DataError) as error:
        reason = f"{type(error).__name__}: {error}"
    await bury(await broker.connect(), letter(subject, body, stage=_STAGE, reason=reason, sequence=place))
    return "buried"
