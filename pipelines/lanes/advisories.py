"""The lane advisories: what NATS says that it gave up -> a dead letter with the original bytes.

A net: our own durables never give up (deploy/streams.py). One that somebody made otherwise loses nothing either.
"""

import logging

import nats.errors
import nats.js.errors
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from nats.aio.client import Client
from nats.js.errors import NotFoundError
from pydantic import BaseModel, ValidationError

from pipelines import metrics
from pipelines.burial import SUBJECT, Letter, bury, letter
from pipelines.lanes import undecoded
from schemas.errors import Unavailable
from schemas.subjects import GIVEN_UP, Durable, Stream

_log = logging.getLogger(__name__)

STAGE = "deliver"

_RETRY_SECONDS = 2.0
_TIMEOUT_SECONDS = 5.0


class _Advisory(BaseModel):
    """Source: NATS, io.nats.jetstream.advisory.v1.max_deliver."""

    stream: str
    consumer: str
    stream_seq: int
    deliveries: int


def attach(broker: NatsBroker, _: object = None, *, inbox_prefix: str = "_INBOX") -> None:
    """Subscribe the lane, which needs no database: acknowledged is what is on its way to the lane bury."""

    @broker.subscriber(
        GIVEN_UP,
        stream=JStream(Stream.DEAD, declare=False),
        durable=Durable.ADVISORIES,
        pull_sub=PullSub(batch_size=1, timeout=5.0),
        ack_policy=AckPolicy.MANUAL,
        decoder=undecoded,
        inbox_prefix=f"{inbox_prefix}.".encode(),  # the broker's own is not used for pulls
    )
    async def advisories(message: NatsMessage) -> None:
        try:
            nc = await broker.connect()
            await bury(nc, await _letter(nc, message.raw_message.subject, message.raw_message.data))
        except Exception:  # a host: NATS is away
            _log.exception("a message that was given up is not buried yet, trying again")
            metrics.LANE_MESSAGES.labels("advisories", "retried").inc()
            await message.nack(delay=_RETRY_SECONDS)
        else:
            metrics.LANE_MESSAGES.labels("advisories", "done").inc()
            await message.ack()


async def _letter(nc: Client, subject: str, body: bytes) -> Letter:
    """Write the dead letter of the message that an advisory names, or of the advisory where that is gone."""
    try:
        told = _Advisory.model_validate_json(body)
    except ValidationError:
        return letter(subject, body, stage=STAGE, reason="an advisory that nobody can read")
    reason = f"durable {told.consumer} of {told.stream} gave it up after {told.deliveries} deliveries"
    place = f"{told.stream}-{told.stream_seq}"
    if told.stream not in set(Stream):
        return letter(subject, body, stage=STAGE, reason=f"{reason}; {told.stream} is none of ours", sequence=place)
    try:
        # By "direct get", so that no other stream's requests need to be granted.
        lost = await nc.jetstream(timeout=_TIMEOUT_SECONDS).get_msg(told.stream, told.stream_seq, direct=True)
    except NotFoundError:
        return letter(subject, body, stage=STAGE, reason=f"{reason}; it is not in {told.stream} any more")
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
        raise Unavailable(f"NATS does not show message {told.stream_seq} of {told.stream}: {error!r}") from error
    origin = (lost.headers or {}).get(SUBJECT) or lost.subject or subject
    return letter(origin, lost.data or b"", stage=STAGE, reason=reason, sequence=place)
