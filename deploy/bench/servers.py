"""A real PostgreSQL and a real NATS in a folder of their own, and the roles of a stack as processes beside them."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import psycopg
from nats.aio.client import Client
from nats.js.errors import NotFoundError
from psycopg import sql
from pydantic import SecretStr

from deploy import links, streams
from deploy.bench.counts import Miscounted
from deploy.bench.usage import Meter, Pids, family
from deploy.local.credentials import load_or_create
from deploy.local.nats import Nats
from deploy.local.postgres import DATABASE, OWNER, SUPERUSER, Postgres
from deploy.local.process import Process, Service, free_port
from deploy.settings import Settings
from pipelines.store.migrate import migrate
from schemas.subjects import Stream

_ROOT = Path(__file__).parents[2]
_EMPTY = "empty"
"""The database that every other one is copied from."""


class Servers:
    """The servers of one benchmark; each run gets a fresh database and fresh streams."""

    def __init__(self, folder: Path, *, pg_bin: Path | None = None) -> None:
        credentials = load_or_create(folder)
        self.folder = folder
        self.postgres = Postgres(folder, credentials, pg_bin=pg_bin)
        self.nats = Nats(folder, credentials)
        self.token = credentials.token
        self._roles: dict[str, Process] = {}
        self._settings = Settings(
            database_url=SecretStr(f"postgresql://127.0.0.1:{self.postgres.port}/{_EMPTY}"),
            nats_url=SecretStr(f"nats://127.0.0.1:{self.nats.port}"),
            credentials=folder / "credentials.json",
            data=folder,
            host="127.0.0.1",
            port=free_port(),
            token=SecretStr(credentials.token),
            metrics_port=0,
        )

    @property
    def url(self) -> str:
        """Where the api is, once its role runs."""
        return f"http://127.0.0.1:{self._settings.port}"

    @property
    def port(self) -> int:
        """The port of the api."""
        return self._settings.port

    @property
    def headers(self) -> dict[str, str]:
        """What lets a request in."""
        return {"Authorization": f"Bearer {self.token}"}

    def open(self) -> None:
        """Start both servers."""
        self.postgres.start()
        self.nats.start()
        self._create(_EMPTY, copy_of=DATABASE)
        migrate(self.postgres.url(database=_EMPTY))

    def close(self) -> None:
        """Stop everything."""
        for role in self._roles.values():
            role.stop()
        self.nats.stop()
        self.postgres.stop()

    def database(self, name: str, *, copy_of: str = _EMPTY) -> Settings:
        """Make a database, and give the settings that lead to it."""
        self._create(name, copy_of=copy_of)
        return self.reach(name)

    def reach(self, name: str) -> Settings:
        """Give the settings that lead to a database that is there."""
        url = SecretStr(f"postgresql://127.0.0.1:{self.postgres.port}/{name}")
        return self._settings.model_copy(update={"database_url": url})

    def drop(self, settings: Settings) -> None:
        """Remove a database that no role uses any more."""
        with self._superuser() as conn:
            conn.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(_database(settings))))

    async def streams(self) -> None:
        """Make all streams and durables anew, empty."""
        async with self.client() as client:
            js = client.jetstream(timeout=10)
            for stream in Stream:
                with suppress(NotFoundError):
                    await js.delete_stream(stream)
            await streams.declare(js)

    def client(self, user: str = "admin") -> AbstractAsyncContextManager[Client]:
        """Connect to NATS as a user; ``admin`` may do everything."""
        return links.nats_client(self._settings, user, closed=lambda: None)

    def start(self, name: str, settings: Settings, *roles: str) -> None:
        """Start a process that plays roles."""
        service = Service(
            name=name,
            command=(sys.executable, "-m", "deploy.roles", *roles),
            environment=settings.environment(),
            grace_seconds=10.0,
            directory=_ROOT,
        )
        self._roles[name] = Process(service, self.folder / f"{name}.log")
        self._roles[name].start()

    def stop(self, name: str) -> None:
        """Stop a process; raise Miscounted when it did not end well."""
        code = self._roles.pop(name).stop()
        if code:
            raise Miscounted(f"{name} ended with exit code {code}: {self._last_lines(name)}")

    def pid(self, name: str) -> int:
        """Tell the process id of a role; raise Miscounted when it has ended."""
        pid = self._roles[name].pid
        if pid is None:
            raise Miscounted(f"{name} has ended: {self._last_lines(name)}")
        return pid

    def meter(self, *roles: str) -> Meter:
        """Make a meter of both servers and of these roles; all processes whose names begin alike are one party."""
        parties: dict[str, Pids] = {name: partial(self._pids, name) for name in roles}
        parties["nats"] = lambda: [pid] if (pid := self.nats.pid) else []
        parties["postgres"] = lambda: family(pid) if (pid := self.postgres.pid) else []
        return Meter(parties)

    async def api_ready(self) -> None:
        """Wait until the api serves."""

        async def ready() -> bool:
            self.pid("api")
            with suppress(httpx.HTTPError):
                async with httpx.AsyncClient() as client:
                    return (await client.get(f"{self.url}/api/health/ready")).is_success
            return False

        await until(ready, seconds=60, what="the api")

    def rows(self, settings: Settings, query: str) -> list[tuple[Any, ...]]:
        """Ask a database as the owner of its tables."""
        with psycopg.connect(self.address(settings), autocommit=True) as conn:
            return conn.execute(query.encode()).fetchall()

    def count(self, settings: Settings, table: str) -> int:
        """Count the rows of a table."""
        [(count,)] = self.rows(settings, f"select count(*) from {table}")  # noqa: S608  # a name of ours
        return int(count)

    def address(self, settings: Settings) -> str:
        """Write the address of a database for the owner of its tables."""
        return self.postgres.url(database=_database(settings))

    def version(self) -> str:
        """Ask PostgreSQL which one it is."""
        with self._superuser() as conn:
            return str(conn.execute("show server_version").fetchall()[0][0])

    def _pids(self, name: str) -> Collection[int]:
        return [self.pid(each) for each in self._roles if each.startswith(name)]

    def _create(self, name: str, *, copy_of: str) -> None:
        with self._superuser() as conn:
            statement = "create database {} template {} owner {}"
            conn.execute(sql.SQL(statement).format(*map(sql.Identifier, (name, copy_of, OWNER))))

    def _superuser(self) -> psycopg.Connection:
        return psycopg.connect(self.postgres.url(SUPERUSER, "postgres"), autocommit=True)

    def _last_lines(self, name: str) -> str:
        return "\n".join((self.folder / f"{name}.log").read_text("utf-8", "replace").splitlines()[-8:])


def _database(settings: Settings) -> str:
    return settings.database("migrate").rpartition("/")[2]


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder for what a benchmark writes, and remove it in the end."""
    folder = make_folder()
    try:
        yield folder
    finally:
        remove(folder)


def make_folder() -> Path:
    """Make a folder for what a benchmark writes."""
    folder = Path(tempfile.mkdtemp(prefix="tasktracker-bench-"))
    folder.chmod(0o711)  # as root, the user that PostgreSQL runs as must be able to pass through
    return folder


def remove(folder: Path) -> None:
    """Remove what a benchmark wrote."""
    for link in (path for path in (folder / "postgres", folder / "data" / "postgres") if path.is_symlink()):
        shutil.rmtree(link.resolve(), ignore_errors=True)  # where its user could not have reached the folder
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def opened(*, pg_bin: Path | None = None) -> Iterator[Servers]:
    """Run servers in a folder that is removed in the end, whatever happens."""
    with open_folder() as folder:
        servers = Servers(folder, pg_bin=pg_bin)
        try:
            servers.open()
            yield servers
        finally:
            servers.close()


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float, what: str) -> None:
    """Return when the condition holds; raise Miscounted when it does not in time."""
    deadline = monotonic() + seconds
    while not await condition():
        if monotonic() > deadline:
            raise Miscounted(f"waited {seconds:.0f} s in vain for {what}")
        await asyncio.sleep(0.02)  # another program's state: there is nothing to be woken by
