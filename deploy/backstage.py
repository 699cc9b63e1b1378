"""The roles that nobody talks to: the relay, the lanes, the keeper."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from faststream.nats import NatsBroker
from nats.aio.client import Client

from deploy import links, streams
from deploy.local.permissions import inbox_prefix
from deploy.settings import Settings
from pipelines import durables
from pipelines import relay as relaying
from pipelines.keeper import keep
from pipelines.lanes import advisories as advising
from pipelines.lanes import bury as burying
from pipelines.lanes import commands as commanding
from pipelines.lanes import requeue as requeueing
from pipelines.pulse import Trouble, beat
from pipelines.retention import forget
from schemas.subjects import Durable


async def relay(settings: Settings, stop: asyncio.Event) -> None:
    """Play the role relay."""
    async with links.nats_client(settings, "relay", closed=stop.set) as nc, _beating(nc, "relay") as trouble:
        await relaying.relay(links.connect(settings, "write"), nc, stop, trouble=trouble)


async def keeper(settings: Settings, stop: asyncio.Event) -> None:
    """Play the role keeper."""
    async with links.nats_client(settings, "keeper", closed=stop.set) as nc, _beating(nc, "keeper"):
        await keep(nc, stop)


async def bury(settings: Settings, stop: asyncio.Event) -> None:
    """Play the role bury: store dead letters, and forget those that are too old."""
    attach: dict[Durable, Callable[..., None]] = {
        Durable.BURY: burying.attach,
        Durable.ADVISORIES: advising.attach,
    }
    async with links.pool(settings, "write", size=2) as pool, asyncio.TaskGroup() as group:
        group.create_task(forget(pool, stop, days=settings.dead_letter_days))
        await _lanes(settings, stop, pool, attach, role="bury", user="lanes")


async def commands(settings: Settings, stop: asyncio.Event) -> None:
    """Play the role commands."""
    async with links.pool(settings, "write", size=2) as pool:
        await _lanes(settings, stop, pool, {Durable.COMMANDS: commanding.attach}, role="commands", user="lanes")


async def requeue(settings: Settings, stop: asyncio.Event) -> None:
    """Play the role requeue."""
    async with links.pool(settings, "write", size=2) as pool:
        await _lanes(settings, stop, pool, {Durable.REQUEUE: requeueing.attach}, role="requeue", user="requeue")


async def _lanes(
    settings: Settings,
    stop: asyncio.Event,
    pool: links.Pool,
    attach: Mapping[Durable, Callable[..., None]],
    *,
    role: str,
    user: str,
) -> None:
    prefix = inbox_prefix(user)

    async def gone() -> None:
        stop.set()  # for good: the process ends, and is started anew

    broker = NatsBroker(
        settings.nats(user),
        inbox_prefix=prefix,
        logger=None,
        graceful_timeout=3.0,
        error_cb=links.complain(user),
        closed_cb=gone,
        **links.NATS_OPTIONS,
    )
    for each in attach.values():
        each(broker, pool, inbox_prefix=prefix)
    shapes = [(streams.stream_of(durable), durable, streams.consumer_config(durable)) for durable in attach]
    async with broker:
        nc = await broker.connect()
        js = nc.jetstream(timeout=5)
        for shape in shapes:
            await durables.ensure(js, *shape)  # with our settings: FastStream would use its own
        await broker.start()
        async with _beating(nc, role), asyncio.TaskGroup() as group:
            for shape in shapes:
                group.create_task(durables.watch(js, *shape, stop))


@asynccontextmanager
async def _beating(nc: Client, role: str) -> AsyncIterator[Trouble]:
    trouble = Trouble()
    beating = asyncio.create_task(beat(nc, role, trouble))
    try:
        yield trouble
    finally:
        beating.cancel()
