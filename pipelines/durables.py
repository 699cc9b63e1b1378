"""Durable consumers: made anew where somebody deleted them."""

import asyncio
import logging

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig

from schemas.subjects import Durable, Stream

_log = logging.getLogger(__name__)

WATCH_SECONDS = 2.0


async def ensure(js: JetStreamContext, stream: Stream, durable: Durable, config: ConsumerConfig) -> None:
    """Make a durable with our settings if there is none; it starts from the first message, and ids and keys decide."""
    try:
        await js.consumer_info(stream, durable)
    except nats.js.errors.NotFoundError:
        _log.warning("durable %s of %s is gone: making it anew", durable, stream)
        await js.add_consumer(stream, config=config)


async def watch(
    js: JetStreamContext,
    stream: Stream,
    durable: Durable,
    config: ConsumerConfig,
    stop: asyncio.Event,
    *,
    every_seconds: float = WATCH_SECONDS,
) -> None:
    """Ensure a durable now and then until ``stop``: FastStream would ask for a deleted one for ever."""
    while not stop.is_set():
        try:
            await ensure(js, stream, durable, config)
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
            _log.warning("cannot look after durable %s: %r", durable, error)
        try:
            await asyncio.wait_for(stop.wait(), every_seconds)
        except TimeoutError:
            continue
