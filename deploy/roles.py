"""The roles that a process can play; the light ones share a process, the dataflow has one to itself."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import uvloop
from faststream.nats import NatsBroker
from prometheus_client import start_http_server

from deploy import links
from deploy.flow import run_dataflow
from deploy.local.permissions import inbox_prefix
from deploy.serve import serve
from deploy.settings import Settings
from pipelines.keeper import keep
from pipelines.lanes import bury, commands
from pipelines.relay import relay

_log = logging.getLogger(__name__)

Role: TypeAlias = Callable[[Settings, asyncio.Event], Awaitable[None]]

DATAFLOW = "dataflow"
HTTP = ("api", "inlets")
"""Served by one HTTP server when they share a process."""


async def _relay(settings: Settings, stop: asyncio.Event) -> None:
    async with links.nats_client(settings, "relay", closed=stop.set) as nc:
        await relay(links.connect(settings, "write"), nc, stop)


async def _keeper(settings: Settings, stop: asyncio.Event) -> None:
    async with links.nats_client(settings, "keeper", closed=stop.set) as nc:
        await keep(nc, stop)


def _lane(attach: Callable[[NatsBroker, links.Pool], None]) -> Role:
    async def lane(settings: Settings, stop: asyncio.Event) -> None:
        async with links.pool(settings, "write", size=2) as pool:
            broker = NatsBroker(
                settings.nats("lanes"),
                inbox_prefix=inbox_prefix("lanes"),
                logger=None,
                graceful_timeout=3.0,
                **links.NATS_OPTIONS,
            )
            attach(broker, pool)
            async with broker:
                await broker.start()
                await stop.wait()

    return lane


ROLES: dict[str, Role] = {
    "relay": _relay,
    "bury": _lane(bury.attach),
    "commands": _lane(commands.attach),
    "keeper": _keeper,
}
"""Besides these: ``api`` and ``inlets`` (deploy/serve.py) and ``dataflow`` (deploy/flow.py)."""

NAMES = (*HTTP, DATAFLOW, *ROLES)


def play(settings: Settings, names: Sequence[str]) -> None:
    """Play the roles in this process until SIGTERM or SIGINT; one that fails ends them all, and is raised."""
    if settings.metrics_port and not set(names) & {"api"}:
        start_http_server(settings.metrics_port, settings.host)
    if DATAFLOW in names:
        if len(names) > 1:
            raise ValueError("dataflow needs a process of its own: run the other roles in another")
        run_dataflow(settings)
    else:
        uvloop.run(_play(settings, names))


async def _play(settings: Settings, names: Sequence[str]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as group:
        if http := [name for name in names if name in HTTP]:
            group.create_task(_until_stopped(serve(settings, stop, http), stop))
        for name in names:
            if name in ROLES:
                group.create_task(_until_stopped(ROLES[name](settings, stop), stop), name=name)


async def _until_stopped(role: Awaitable[None], stop: asyncio.Event) -> None:
    await role
    stop.set()  # a role ends when it is asked to, or because it cannot go on: then none of them should
