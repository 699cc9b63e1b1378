"""A real PostgreSQL and a real NATS for the tests that ask for them, fresh for each."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import nats
import psycopg
import pytest
from nats.js import JetStreamContext
from nats.js.errors import APIError
from psycopg import sql

from deploy import streams
from deploy.local.credentials import load_or_create
from deploy.local.nats import Nats
from deploy.local.postgres import OWNER, SUPERUSER, Postgres
from pipelines.store.migrate import migrate
from tests.waiting import until

_STACK = {"stack_folder", "postgres_server", "nats_server", "postgres_url", "postgres_urls", "nats_url", "nats_urls"}
_TEMPLATE = "migrated"
_STORE_BUSY = 10049


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start servers."""
    for item in items:
        if _STACK & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.stack)


@pytest.fixture(scope="session")
def pg_bin() -> Path | None:
    """Another PostgreSQL to test with, from PG_BIN; None: the embedded one."""
    chosen = os.environ.get("PG_BIN")
    return Path(chosen) if chosen else None


@pytest.fixture
def stack_folder() -> Iterator[Path]:
    """Give a folder that the user of PostgreSQL can reach, which pytest's own is not for root."""
    with _open_folder() as folder:
        yield folder


class _open_folder:
    def __enter__(self) -> Path:
        self._path = Path(tempfile.mkdtemp(prefix="tt-"))
        self._path.chmod(0o711)
        return self._path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._path, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(pg_bin: Path | None) -> Iterator[Postgres]:
    """Run one PostgreSQL for the session, with a migrated database to copy."""
    with _open_folder() as folder:
        server = Postgres(folder, load_or_create(folder), pg_bin=pg_bin)
        server.start()
        try:
            with psycopg.connect(server.url(SUPERUSER), autocommit=True) as conn:
                _execute(conn, "create database {} template tasktracker owner {}", _TEMPLATE, OWNER)
            migrate(server.url(database=_TEMPLATE))
            yield server
        finally:
            server.stop()


@pytest.fixture
def postgres_urls(postgres_server: Postgres) -> Iterator[dict[str, str]]:
    """Give a fresh migrated database, as seen by the roles ``migrate``, ``write`` and ``read``."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres_server.url(SUPERUSER, "postgres"), autocommit=True) as conn:
        _execute(conn, "create database {} template {} owner {}", name, _TEMPLATE, OWNER)
        try:
            yield {role: postgres_server.url(f"tasktracker_{role}", name) for role in ("migrate", "write", "read")}
        finally:
            _execute(conn, "drop database {} with (force)", name)


@pytest.fixture
def postgres_url(postgres_urls: dict[str, str]) -> str:
    """Give a fresh migrated database, as its owner."""
    return postgres_urls["migrate"]


@pytest.fixture(scope="session")
def nats_server() -> Iterator[Nats]:
    """Run one NATS for the session, as durable as the real one."""
    with _open_folder() as folder:
        server = Nats(folder, load_or_create(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
async def nats_url(nats_server: Nats) -> str:
    """Give NATS as user admin, all streams empty and at sequence 0."""
    url = nats_server.url("admin")
    client = await nats.connect(url)
    try:
        js = client.jetstream()
        for stream in await js.streams_info():
            await js.delete_stream(str(stream.config.name))
        await until(lambda: _declared(js), what="the streams to be made anew")
    finally:
        await client.close()
    return url


async def _declared(js: JetStreamContext) -> bool:
    """Declare the streams; False while the server still removes the folder of a deleted one of that name.

    It does so behind its answer; a stream of the same name then fails with 10049, "error creating store for stream".
    """
    try:
        await streams.declare(js)
    except APIError as error:
        if error.err_code != _STORE_BUSY:
            raise
        return False
    return True


@pytest.fixture
def nats_urls(nats_server: Nats, nats_url: str) -> Callable[[str], str]:
    """Give the address for a user of NATS, all streams empty; the user's inbox is ``_INBOX_<user>``."""
    return nats_server.url


def _execute(conn: psycopg.Connection, statement: str, *names: str) -> None:
    conn.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
