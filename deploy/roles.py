"""The roles that a process can play; the light ones share a process, the dataflow has one to itself."""

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from typing import Any, TypeAlias

import uvloop
from prometheus_client import start_http_server

from deploy.settings import Settings

Role: TypeAlias = Callable[[Settings, asyncio.Event], Awaitable[None]]

DATAFLOW = "dataflow"
HTTP = ("api", "inlets")
"""Served by one HTTP server when they share a process."""

ROLES = {
    "api": "deploy.serve:api",
    "inlets": "deploy.serve:inlets",
    "api inlets": "deploy.serve:api_and_inlets",
    "relay": "deploy.backstage:relay",
    "bury": "deploy.backstage:bury",
    "commands": "deploy.backstage:commands",
    "requeue": "deploy.backstage:requeue",
    "keeper": "deploy.backstage:keeper",
}
"""Loaded by name: a process holds the code of its own roles only. Besides these, ``dataflow`` (deploy/flow.py)."""

NAMES = (*HTTP, DATAFLOW, "relay", "bury", "commands", "requeue", "keeper")


def play(settings: Settings, names: Sequence[str]) -> None:
    """Play the roles in this process until SIGTERM or SIGINT; one that fails ends them all, and is raised."""
    if settings.metrics_port and "api" not in names:
        start_http_server(settings.metrics_port, settings.host)
    if DATAFLOW in names:
        _load("deploy.flow:run_dataflow")(settings)
    else:
        uvloop.run(_play(settings, names))


async def _play(settings: Settings, names: Sequence[str]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    together = " ".join(name for name in HTTP if name in names)
    async with asyncio.TaskGroup() as group:
        for name in [*filter(None, [together]), *(name for name in names if name not in HTTP)]:
            role: Role = _load(ROLES[name])
            group.create_task(_until_stopped(role(settings, stop), stop), name=name)


async def _until_stopped(role: Awaitable[None], stop: asyncio.Event) -> None:
    await role
    stop.set()  # a role ends when it is asked to, or because it cannot go on: then none of them should


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def log_to_stderr(level: str) -> None:
    """Log one line an event; who runs the process adds time and place as they like."""
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    least = logging.getLevelNamesMapping()[level]
    for noisy in ("httpx", "httpcore", "faststream", "alembic"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, least))
    for talkative in ("uvicorn", "uvicorn.error", "websockets", "nats", "psycopg", "psycopg.pool"):
        # At DEBUG they log what goes over the wire, the access token and people's messages among it.
        logging.getLogger(talkative).setLevel(max(logging.INFO, least))


if __name__ == "__main__":  # how a stack starts its processes, without the rest of the command line
    given = Settings()
    log_to_stderr(given.log_level)
    play(given, sys.argv[1:])
