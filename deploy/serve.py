"""The HTTP roles: the api and the inlets, behind one server when they share a process."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psycopg
import uvicorn
from psycopg_pool import PoolTimeout
from starlette.types import ASGIApp, Receive, Scope, Send

from api.app import create_app
from api.deps import Resources
from connectors import load
from connectors.contract import KnownSource
from connectors.inlets import inlets as http_inlets
from connectors.publish import Publisher
from deploy import links
from deploy.settings import Settings
from pipelines.store import sources
from schemas.errors import Unavailable
from schemas.sources import NewSource

STATIC = Path(__file__).parent.parent / "api" / "static"
_GRACE_SECONDS = 3
_HELD_SECONDS = 8.0
"""How long a request may hold a connection: with the wait for one, its sender is answered within 15 seconds."""


async def api(settings: Settings, stop: asyncio.Event) -> None:
    """Play the role api."""
    await _run(_api(settings, stop), settings, stop)


async def inlets(settings: Settings, stop: asyncio.Event) -> None:
    """Play the role inlets."""
    async with _door(settings, stop) as door:
        await _run(door, settings, stop)


async def api_and_inlets(settings: Settings, stop: asyncio.Event) -> None:
    """Play both: webhooks go to the inlets, which verify signatures, the rest to the api, which asks for a token."""
    async with _door(settings, stop) as door:
        main = _api(settings, stop)

        async def house(scope: Scope, receive: Receive, send: Send) -> None:
            is_webhook = scope["type"] == "http" and scope["path"].startswith("/webhook/")
            await (door if is_webhook else main)(scope, receive, send)

        await _run(house, settings, stop)


def _api(settings: Settings, stop: asyncio.Event) -> ASGIApp:
    return create_app(
        token=settings.access_token(),
        resources=lambda: _resources(settings, stop),
        hosts=settings.hosts,
        static=STATIC,
        check_source=_check_source,
    )


def _check_source(new: NewSource) -> None:
    """Raise ValueError for a channel that nobody speaks, or a source that it cannot use."""
    try:
        connector = load(new.channel)
    except LookupError as error:
        raise ValueError(f"channel: {error}") from None
    connector.check(new)


@asynccontextmanager
async def _door(settings: Settings, stop: asyncio.Event) -> AsyncIterator[ASGIApp]:
    async with (
        links.nats_client(settings, "inlets", closed=stop.set) as nc,
        links.pool(settings, "write", size=2, held_seconds=_HELD_SECONDS) as write,
        Publisher(nc) as publisher,
    ):
        yield http_inlets(sources=_Sources(write), publisher=publisher)


@asynccontextmanager
async def _resources(settings: Settings, stop: asyncio.Event) -> AsyncIterator[Resources]:
    async with (
        links.nats_client(settings, "api", closed=stop.set) as nc,
        links.pool(settings, "read", size=6, held_seconds=_HELD_SECONDS) as read,
        links.pool(settings, "write", size=4, held_seconds=_HELD_SECONDS) as write,
        Publisher(nc) as publisher,
    ):
        yield Resources(read=read, write=write, publisher=publisher, nats=nc)


class _Sources:
    """What the inlets may know of the database."""

    def __init__(self, write: links.Pool) -> None:
        self._write = write

    async def source(self, workspace: str, slug: str) -> KnownSource | None:
        try:
            async with self._write.connection() as conn:
                return await sources.find(conn, workspace, slug)
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise Unavailable("the database is away") from error


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process: its roles stop together."""
        yield


async def _run(app: ASGIApp, settings: Settings, stop: asyncio.Event) -> None:
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="none",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=64 * 1024,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        log_config=None,
        access_log=False,
        server_header=False,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    stopping.cancel()
    if not server.started:
        raise RuntimeError(f"the http server did not start on {settings.host}:{settings.port}")
