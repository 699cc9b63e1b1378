"""The JetStream streams and durables: how each keeps its messages. Declared here and nowhere else."""

from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError

from schemas.subjects import GIVEN_UP, Durable, Stream

MEBIBYTE = 1024**2
RAW_MAX_BYTES = 2048 * MEBIBYTE
_DAY_SECONDS = 24 * 3600

_DURABLES = {
    Durable.LIVE: (Stream.RAW, "raw.>"),
    Durable.BULK: (Stream.RAW, "bulk.>"),
    Durable.BURY: (Stream.DEAD, "dead.>"),
    Durable.ADVISORIES: (Stream.DEAD, GIVEN_UP),
    Durable.REQUEUE: (Stream.RESULTS, "results.*.dead.requeued"),
    Durable.COMMANDS: (Stream.COMMANDS, "commands.>"),
}


def stream_configs(*, raw_max_bytes: int = RAW_MAX_BYTES) -> list[StreamConfig]:
    """List the streams.

    Limits retention everywhere: work-queue retention forgets message ids when NATS restarts. The sum of ``max_bytes``
    must stay below the server's ``max_file``.
    """
    raw = StreamConfig(
        name=Stream.RAW,
        subjects=["raw.>", "bulk.>"],
        max_age=30 * _DAY_SECONDS,
        max_bytes=raw_max_bytes,
        # Full means refused at the door, never forgotten unread.
        discard=DiscardPolicy.NEW,
        # Longer than webhooks keep retrying at short intervals; PostgreSQL's unique key has the last word.
        duplicate_window=600,
        allow_atomic=True,
        allow_direct=True,
    )
    results = StreamConfig(
        name=Stream.RESULTS,
        subjects=["results.>"],
        max_bytes=512 * MEBIBYTE,
        discard=DiscardPolicy.OLD,
        duplicate_window=600,
        allow_atomic=True,
        allow_direct=True,
    )
    dead = StreamConfig(
        name=Stream.DEAD,
        # Our durables never give up (see consumer_config); what one of another shape gives up is told here, too.
        subjects=["dead.>", GIVEN_UP],
        max_age=90 * _DAY_SECONDS,
        max_bytes=256 * MEBIBYTE,
        discard=DiscardPolicy.NEW,
        allow_direct=True,
    )
    commands = StreamConfig(
        name=Stream.COMMANDS,
        subjects=["commands.>"],
        max_age=7 * _DAY_SECONDS,
        max_bytes=64 * MEBIBYTE,
        discard=DiscardPolicy.NEW,
        allow_direct=True,
    )
    streams = [raw, results, dead, commands]
    for stream in streams:
        stream.retention = RetentionPolicy.LIMITS
        stream.storage = StorageType.FILE
        stream.num_replicas = 1
    return streams


def stream_of(durable: Durable) -> Stream:
    """Tell which stream the durable reads."""
    return _DURABLES[durable][0]


def consumer_config(durable: Durable) -> ConsumerConfig:
    """Describe the durable, so that whoever consumes it can make it anew after a deletion."""
    _, subject = _DURABLES[durable]
    return ConsumerConfig(
        durable_name=durable,
        filter_subject=subject,
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.ALL,
        ack_wait=20,
        # Poison is buried by the consumer itself: the server would drop it from sight without telling anybody.
        max_deliver=-1,
        # The default of 1,000 stalls replicas silently.
        max_ack_pending=10_000,
    )


async def declare(js: JetStreamContext, *, raw_max_bytes: int = RAW_MAX_BYTES) -> None:
    """Create or update every stream and durable; the same again changes nothing."""
    for stream in stream_configs(raw_max_bytes=raw_max_bytes):
        # Not add_stream first: for a stream that is there, the server counts its max_bytes a second time.
        try:
            await js.update_stream(stream)
        except NotFoundError:
            await js.add_stream(stream)
    for durable in Durable:
        await js.add_consumer(stream_of(durable), consumer_config(durable))
