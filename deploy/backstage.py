"""The roles that nobody talks to: the relay, the lanes, the keeper."""

import asyncio
from collections.abc import Callable

from faststream.nats import NatsBroker

from deploy import links, streams
from deploy.local.permissions import inbox_prefix
from deploy.settings import Settings
from pipelines import durables
from pipelines import relay as relaying
from pipelines.keeper import keep
from pipelines.lanes import bury as burying
from pipelines.lanes import commands as commanding
from schemas.subjects import Durable


async def relay(settings: Settings, stop: asyncio.Event) -> None:
    """Play the role relay."""
    async with links.nats_client(settings, "relay", closed=stop.set) as nc:
        await relaying.relay(links.connect(settings, "write"), nc, stop)


async def keeper(settings: Settings, stop: asyncio.Event) -> None:
    """Play the role keeper."""
    async with links.nats_client(settings, "keeper", closed=stop.set) as nc:
        await keep(nc, stop)


async def bury(settings: Settings, stop: asyncio.Event) -> None:
    """Play the role bury."""
    await _lane(settings, stop, Durable.BURY, burying.attach)


async def commands(settings: Settings, stop: asyncio.Event) -> None:
    """Play the role commands."""
    await _lane(settings, stop, Durable.COMMANDS, commanding.attach)


async def _lane(settings: Settings, stop: asyncio.Event, durable: Durable, attach: Callable[..., None]) -> None:
    prefix = inbox_prefix("lanes")
    async with links.pool(settings, "write", size=2) as pool:
        broker = NatsBroker(
            settings.nats("lanes"),
            inbox_prefix=prefix,
            logger=None,
            graceful_timeout=3.0,
            **links.NATS_OPTIONS,
        )
        attach(broker, pool, inbox_prefix=prefix)
        stream, config = streams.stream_of(durable), streams.consumer_config(durable)
        async with broker:
            js = (await broker.connect()).jetstream(timeout=5)
            await durables.ensure(js, stream, durable, config)  # with our settings: FastStream would use its own
            await broker.start()
            await durables.watch(js, stream, durable, config, stop)
