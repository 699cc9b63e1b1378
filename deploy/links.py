"""How a role reaches its servers: NATS as its own user, PostgreSQL as its own role; every wait has a limit."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
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
_CHECK_SECONDS = 2.0
# A client that is gone without a word must not keep its locks: the server looks after it, as we do after the server.
_SESSION = """
set statement_timeout = '30s'; set idle_in_transaction_session_timeout = '60s';
set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3;
set tcp_user_timeout = 15000
"""


@asynccontextmanager
async def nats_client(
    settings: Settings, user: str, *, closed: Callable[[], None], reconnected: Callable[[], None] = lambda: None
) -> AsyncIterator[Client]:
    """Connect as a user; errors that only the client's callback hears of are logged and counted.

    ``closed`` is called when the connection is gone for good: the process should end, and be started anew.
    """
    closing = False

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
        error_cb=complain(user),
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
            # The server is gone: nats-py uses a transport that it has set to None, or that uvloop has closed.
            with suppress(TypeError, RuntimeError):
                await client.close()


def complain(user: str) -> Callable[[Exception], Awaitable[None]]:
    """Make the callback that hears of what no caller hears of, such as a refused subject: it is counted and logged."""

    async def failed(error: Exception) -> None:
        metrics.NATS_ERRORS.labels(user).inc()
        _log.warning("nats (%s): %s", user, str(error) or repr(error))

    return failed


class _Pool(AsyncConnectionPool[Connection]):
    """Cuts a connection off that has been out for too long: a server that stands still would keep its user for ever."""

    held_seconds = 30.0

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[Connection]:  # noqa: ASYNC109
        """Give a connection for as long as the block runs, and ``held_seconds`` at most."""
        async with super().connection(timeout) as conn:
            with _cut_after(conn, self.held_seconds):
                yield conn


@asynccontextmanager
async def pool(settings: Settings, role: str, *, size: int = 4, held_seconds: float = 30.0) -> AsyncIterator[Pool]:
    """Open a pool of the role ``read``, ``write`` or ``migrate``; a connection is tried before it is handed out.

    Who has one for longer than ``held_seconds`` gets an OperationalError, as from a server that has gone.
    """
    async with _Pool(
        settings.database(role),
        connection_class=psycopg.AsyncConnection[Any],
        kwargs=_DATABASE_OPTIONS,
        configure=_configure,
        check=_checked,
        min_size=1,
        max_size=size,
        timeout=5.0,
        open=False,
        name=role,
    ) as opened:
        opened.held_seconds = held_seconds
        yield opened


def connect(settings: Settings, role: str) -> Callable[[], Awaitable[Connection]]:
    """Make a function that opens a connection of its own, outside any pool."""

    async def open_connection() -> Connection:
        connection = await psycopg.AsyncConnection.connect(settings.database(role), **_DATABASE_OPTIONS)
        await _configure(connection)
        return connection

    return open_connection


async def _checked(connection: Connection) -> None:
    with _cut_after(connection, _CHECK_SECONDS):
        await AsyncConnectionPool.check_connection(connection)


@contextmanager
def _cut_after(connection: Connection, seconds: float) -> Iterator[None]:
    """Shut a connection's socket when the block takes longer; to cancel the work would wait for the server's word."""
    timer = asyncio.get_running_loop().call_later(seconds, _cut, connection)
    try:
        yield
    finally:
        timer.cancel()


def _cut(connection: Connection) -> None:
    if connection.closed:
        return
    _log.warning("postgres: no answer in time, the connection is cut off")
    with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as twin:
        twin.shutdown(socket.SHUT_RDWR)


async def _configure(connection: Connection) -> None:
    await connection.execute(_SESSION)
