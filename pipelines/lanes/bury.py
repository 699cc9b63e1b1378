"""The lane bury: stream DEAD -> table dead_letters."""

import logging
from typing import Any

import psycopg
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from psycopg_pool import AsyncConnectionPool

from pipelines import metrics
from pipelines.burial import REASON, SUBJECT
from pipelines.lanes import undecoded
from pipelines.store import dead
from schemas.dead import dead_letter_id
from schemas.subjects import Durable, Stream

_log = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0


def attach(
    broker: NatsBroker, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]], *, inbox_prefix: str = "_INBOX"
) -> None:
    """Subscribe the lane: what is stored is acknowledged, what fails is tried again, without end."""

    @broker.subscriber(
        "dead.>",
        stream=JStream(Stream.DEAD, declare=False),
        durable=Durable.BURY,
        pull_sub=PullSub(batch_size=1, timeout=5.0),
        ack_policy=AckPolicy.MANUAL,
        decoder=undecoded,
        inbox_prefix=f"{inbox_prefix}.".encode(),  # the broker's own is not used for pulls
    )
    async def bury(message: NatsMessage) -> None:
        try:
            await _keep(pool, message)
        except Exception:  # a host: a dead letter has nowhere else to go
            _log.exception("a dead letter was not stored, trying again")
            metrics.LANE_MESSAGES.labels("bury", "retried").inc()
            await message.nack(delay=_RETRY_SECONDS)
        else:
            metrics.LANE_MESSAGES.labels("bury", "done").inc()
            await message.ack()


async def _keep(pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]], message: NatsMessage) -> None:
    raw = message.raw_message
    stage = raw.subject.partition(".")[2]
    subject = message.headers.get(SUBJECT, raw.subject)
    async with pool.connection() as conn:
        await dead.keep(
            conn,
            letter=dead_letter_id(subject, stage, raw.data),
            subject=subject,
            stage=stage,
            reason=message.headers.get(REASON, "no reason given"),
            body=raw.data,
            at=raw.metadata.timestamp,
            seq=raw.metadata.sequence.stream,
        )
