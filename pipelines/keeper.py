"""The keeper: makes room in RAW by purging what every durable is done with."""

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
"""Of RAW's max_bytes: below it nothing is purged, for a replay from RAW is worth having."""

_EVERY_SECONDS = 15.0


async def keep(nc: Client, stop: asyncio.Event) -> None:
    """Look at RAW now and then, and purge when it fills up, until ``stop``."""
    js = nc.jetstream(timeout=5)
    while not stop.is_set():
        try:
            await make_room(js)
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
            _log.warning("the keeper could not look: %r", error)
        try:
            await asyncio.wait_for(stop.wait(), _EVERY_SECONDS)
        except TimeoutError:
            continue


async def make_room(js: JetStreamContext, *, full_share: float = FULL_SHARE) -> int:
    """Purge below the lowest ack floor if RAW is fuller than ``full_share``; return how many messages went."""
    info = await js.stream_info(Stream.RAW)
    most = info.config.max_bytes or 0
    if most <= 0 or info.state.bytes < most * full_share:
        return 0
    floor = min([await _done_below(js, durable, info.state.last_seq) for durable in (Durable.LIVE, Durable.BULK)])
    if floor < info.state.first_seq:
        return 0
    await js.purge_stream(Stream.RAW, seq=floor + 1)
    purged = info.state.messages - (await js.stream_info(Stream.RAW)).state.messages
    metrics.PURGED.inc(max(purged, 0))
    _log.info("RAW was %d%% full: purged up to sequence %d", 100 * info.state.bytes // most, floor)
    return max(purged, 0)


async def _done_below(js: JetStreamContext, durable: Durable, last_seq: int) -> int:
    """Return the highest sequence up to which a durable needs nothing any more."""
    info = await js.consumer_info(Stream.RAW, durable)
    if not info.num_pending and not info.num_ack_pending:
        return last_seq  # as it was before: what came since is above it
    return info.ack_floor.stream_seq if info.ack_floor else 0
