"""The keeper: makes room in the streams that refuse when full, by purging what every durable is done with."""

import asyncio
import logging

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext

from pipelines import metrics
from schemas.subjects import Durable, Stream

_log = logging.getLogger(__name__)

FULL_SHARE = 0.8
"""Of a stream's max_bytes: below it nothing is purged, for a replay is worth having."""

READERS: dict[Stream, tuple[Durable, ...]] = {
    Stream.RAW: (Durable.LIVE, Durable.BULK),
    Stream.DEAD: (Durable.BURY, Durable.ADVISORIES),
    Stream.COMMANDS: (Durable.COMMANDS,),
}

_EVERY_SECONDS = 15.0


async def keep(nc: Client, stop: asyncio.Event) -> None:
    """Look at the streams now and then, and purge one that fills up, until ``stop``."""
    js = nc.jetstream(timeout=5)
    while not stop.is_set():
        for stream in READERS:
            try:
                await make_room(js, stream)
            except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
                _log.warning("the keeper could not look at %s: %r", stream, error)
        try:
            await asyncio.wait_for(stop.wait(), _EVERY_SECONDS)
        except TimeoutError:
            continue


async def make_room(js: JetStreamContext, stream: Stream = Stream.RAW, *, full_share: float = FULL_SHARE) -> int:
    """Purge below the lowest ack floor if a stream is fuller than ``full_share``; return how many messages went."""
    info = await js.stream_info(stream)
    most = info.config.max_bytes or 0
    if most <= 0 or info.state.bytes < most * full_share:
        return 0
    floor = min([await _done_below(js, stream, durable, info.state.last_seq) for durable in READERS[stream]])
    if floor < info.state.first_seq:
        return 0
    await js.purge_stream(stream, seq=floor + 1)
    purged = info.state.messages - (await js.stream_info(stream)).state.messages
    metrics.PURGED.inc(max(purged, 0))
    _log.info("%s was %d%% full: purged up to sequence %d", stream, 100 * info.state.bytes // most, floor)
    return max(purged, 0)


async def _done_below(js: JetStreamContext, stream: Stream, durable: Durable, last_seq: int) -> int:
    """Return the highest sequence up to which a durable needs nothing any more."""
    info = await js.consumer_info(stream, durable)
    if not info.num_pending and not info.num_ack_pending:
        return last_seq  # as it was before: what came since is above it
    return info.ack_floor.stream_seq if info.ack_floor else 0
