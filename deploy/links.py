"""How a role reaches its servers: NATS as its own user, PostgreSQL as its own role; every wait has a limit."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import nats
import nats.errors
import psycopg
from nats.aio.client import Client
from psycopg_pool import AsyncConnectionPool

from deploy.local.permissions import inbox_prefix
from deploy.settings import Settings
from pipelines import metrics

_log = logging.getLogger(__name__)

Connection: TypeAlias = psycopg.AsyncConnection[Any]
Pool: TypeAlias = AsyncConnectionPool[Connection]

NATS_OPTIONS: dict[str, Any] = {
    "allow_reconnect": True,
    "max_reconnect_attempts": -1,  # a bounded number ends with a client that never comes back, and says nothing
    "reconnect_time_wait": 0.25,
    "connect_timeout": 5,
    "ping_interval": 5,
    "max_outstanding_pings": 2,
}

_START_SECONDS = 30.0
_CLOSE_SECONDS = 3.0

_DATABASE_OPTIONS: dict[str, Any] = {
    "autocommit": True,
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_STATEMENT_TIMEOUT = "set statement_timeout = '30s'"


@asynccontextmanager
async def nats_client(
    settings: Settings, user: str, *, closed: Callable[[], None], reconnected: Callable[[], None] = lambda: None
) -> AsyncIterator[Client]:
    """Connect as a user; errors that only the client's callback hears of are logged and counted.

    ``closed`` is called when the connection is gone for good: the process should end, and be started anew.
    """
    closing = False

    async def failed(error: Exception) -> None:
        metrics.NATS_ERRORS.labels(user).inc()
        _log.warning("nats (%s): %s", user, str(error) or repr(error))

    async def again() -> None:
        _log.info("nats (%s): connected again", user)
        reconnected()

    async def gone() -> None:
        if not closing:
            _log.error("nats (%s): the connection is closed for good", user)
            closed()

    connecting = nats.connect(
        settings.nats(user),
        name=user,
        inbox_prefix=inbox_prefix(user),
        error_cb=failed,
        reconnected_cb=again,
        closed_cb=gone,
        **NATS_OPTIONS,
    )
    client = await asyncio.wait_for(connecting, _START_SECONDS)
    try:
        yield client
    finally:
        closing = True
        try:
            await asyncio.wait_for(client.drain(), _CLOSE_SECONDS)
        except (nats.errors.Error, TimeoutError):
            with suppress(TypeError):  # nats-py calls a transport that it has set to None when the server is gone
                await client.close()


@asynccontextmanager
async def pool(settings: Settings, role: str, *, size: int = 4) -> AsyncIterator[Pool]:
    """Open a pool of the role ``read``, ``write`` or ``migrate``; a connection is tried before it is handed out."""
    async with AsyncConnectionPool(
        settings.database(role),
        connection_class=psycopg.AsyncConnection[Any],
        kwargs=_DATABASE_OPTIONS,
        configure=_configure,
        check=AsyncConnectionPool.check_connection,
        min_size=1,
        max_size=size,
        timeout=5.0,
        open=False,
        name=role,
    ) as opened:
        yield opened


def connect(settings: Settings, role: str) -> Callable[[], Awaitable[Connection]]:
    """Make a function that opens a connection of its own, outside any pool."""

    async def open_connection() -> Connection:
        connection = await psycopg.AsyncConnection.connect(settings.database(role), **_DATABASE_OPTIONS)
        await _configure(connection)
        return connection

    return open_connection


async def _configure(connection: Connection) -> None:
    await connection.execute(_STATEMENT_TIMEOUT)
