"""A whole Task Tracker in one folder: its servers, its roles, one supervisor."""

import asyncio
import os
import socket
import sys
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from http.client import HTTPException
from pathlib import Path

import nats
from pydantic import BaseModel, SecretStr, ValidationError

from deploy import streams
from deploy.local import lock
from deploy.local.credentials import load_or_create, write_private
from deploy.local.journal import Journal, Show
from deploy.local.nats import MAX_FILE, Nats
from deploy.local.postgres import Postgres
from deploy.local.process import Service, StackError, free_port
from deploy.local.supervisor import OnReady, Supervisor
from deploy.settings import Settings

PROCESSES = {
    "api": ("api", "inlets"),
    "dataflow": ("dataflow",),
    "relay": ("relay", "bury", "commands", "requeue", "keeper"),
}
"""The processes of a stack and the roles that each plays."""

_PORTS_TRIED = 50


class Running(BaseModel):
    """What the file ``running.json`` of a folder says, for commands that want to reach the stack there."""

    pid: int
    url: str
    database_url: str
    nats_url: str
    credentials: Path | None = None
    metrics: dict[str, int]


class Stack:
    """Servers (embedded unless both are given) and roles; to be run in the main thread."""

    def __init__(self, settings: Settings, *, show: Show | None = None) -> None:
        if (settings.database_url is None) != (settings.nats_url is None):
            raise StackError("give both DATABASE_URL and NATS_URL, or neither: then embedded servers are run")
        self._folder = settings.data.resolve()
        self._credentials = load_or_create(self._folder)
        servers = [] if settings.database_url else self._servers(settings)
        self.settings = self._reaching(settings, servers)
        self.metrics = {name: free_port() for name in PROCESSES if name != "api"}
        services = [server.service for server in servers]
        if servers:
            postgres, broker = services
            services = [_and_then(postgres, self._migrate), _and_then(broker, self._declare)]
        roles = [
            self._role(name, names, needs=[service.name for service in services]) for name, names in PROCESSES.items()
        ]
        self._embedded = bool(servers)
        self.supervisor = _Supervisor([*services, *roles], Journal(self._folder / "logs", show=show))

    @property
    def url(self) -> str:
        """Where the page and the api are."""
        return f"http://{_named(self.settings.host)}:{self.settings.port}"

    @property
    def signed_in_url(self) -> str:
        """The same with the access token, which the first visit turns into a cookie."""
        return f"{self.url}/?token={self.settings.access_token()}"

    async def run(self, on_ready: OnReady) -> None:
        """Run everything until it is stopped; see Supervisor.run.

        ``on_ready``: the api answers that it is ready. It is cancelled when the stack is stopped meanwhile, and does
        not see its servers go away.
        """
        with lock.hold(self._folder), self._announced() as announce:
            if not self._embedded:
                await asyncio.to_thread(self._migrate)
                await asyncio.to_thread(self._declare)

            async def ready() -> None:
                announce()
                await _while_running(on_ready(), self.supervisor.stopping)

            await self.supervisor.run(ready)

    def _servers(self, settings: Settings) -> list[Postgres | Nats]:
        return [
            Postgres(self._folder, self._credentials, pg_bin=settings.pg_bin),
            Nats(
                self._folder,
                self._credentials,
                durable=settings.nats_durable,
                max_file=max(MAX_FILE, settings.raw_max_bytes + 1024**3),
            ),
        ]

    def _reaching(self, settings: Settings, servers: Sequence[Postgres | Nats]) -> Settings:
        update: dict[str, object] = {"port": _free_api_port(settings.host, settings.port), "data": self._folder}
        if settings.token is None:
            update["token"] = SecretStr(self._credentials.token)
        for server in servers:
            if isinstance(server, Postgres):
                update["database_url"] = SecretStr(f"postgresql://127.0.0.1:{server.port}/tasktracker")
            else:
                update["nats_url"] = SecretStr(f"nats://127.0.0.1:{server.port}")
            update["credentials"] = self._folder / "credentials.json"
        return settings.model_copy(update=update)

    def _role(self, name: str, roles: Sequence[str], *, needs: Sequence[str]) -> Service:
        settings = self.settings.model_copy(update={"metrics_port": self.metrics.get(name, 0)})
        return Service(
            name=name,
            command=(sys.executable, "-m", "deploy.roles", *roles),
            environment=settings.environment(),
            ready=partial(_api_ready, self.url) if name == "api" else partial(_at_work, self._metrics(name), roles),
            needs=tuple(needs),
            grace_seconds=5.0,
            directory=Path.cwd(),
        )

    def _metrics(self, name: str) -> str:
        return f"http://{_named(self.settings.host)}:{self.metrics[name]}/metrics"

    def _migrate(self) -> None:
        from pipelines.store.migrate import migrate  # noqa: PLC0415  # a third of a second, for those who only look

        migrate(self.settings.database("migrate"))

    def _declare(self) -> None:
        asyncio.run(self._declare_streams())

    async def _declare_streams(self) -> None:
        async def unheard(_: Exception) -> None:
            """Let the caller hear of it: nats-py would print it."""

        url = self.settings.nats("admin")
        client = await nats.connect(url, connect_timeout=5, max_reconnect_attempts=3, error_cb=unheard)
        try:
            await streams.declare(client.jetstream(timeout=10), raw_max_bytes=self.settings.raw_max_bytes)
        finally:
            await client.close()

    @contextmanager
    def _announced(self) -> Iterator[Callable[[], None]]:
        path = self._folder / "running.json"
        path.unlink(missing_ok=True)
        try:
            yield lambda: write_private(path, self._running().model_dump_json(indent=2))
        finally:
            path.unlink(missing_ok=True)

    def _running(self) -> Running:
        settings = self.settings
        return Running(
            pid=os.getpid(),
            url=self.url,
            database_url=settings.database_url.get_secret_value() if settings.database_url else "",
            nats_url=settings.nats_url.get_secret_value() if settings.nats_url else "",
            credentials=settings.credentials,
            metrics=self.metrics,
        )


class _Supervisor(Supervisor):
    """A supervisor that tells others, too, that it was asked to stop."""

    def __init__(self, services: Sequence[Service], journal: Journal) -> None:
        super().__init__(services, journal)
        self.stopping = asyncio.Event()

    def stop(self) -> None:
        self.stopping.set()
        super().stop()


async def _while_running(work: Awaitable[None], stopping: asyncio.Event) -> None:
    working, waiting = asyncio.ensure_future(work), asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        working.cancel()
        waiting.cancel()
        await asyncio.wait([working, waiting])


def running(folder: Path) -> Running | None:
    """Tell how to reach the stack that runs in a folder; None when none does."""
    try:
        found = Running.model_validate_json((folder / "running.json").read_bytes())
    except (OSError, ValidationError):
        return None
    return found if _lives(found.pid) else None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _and_then(service: Service, step: Callable[[], None]) -> Service:
    """Make a service count as ready only when a step, taken once, has been taken too."""
    taken = False

    def ready(pid: int) -> bool:
        nonlocal taken
        if service.ready is not None and not service.ready(pid):
            return False
        if not taken:
            step()
            taken = True
        return True

    return replace(service, ready=ready)


def _named(host: str) -> str:
    """Write an address that is listened on as one that can be visited."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"[{host}]" if ":" in host else host


def _api_ready(url: str, pid: int) -> bool:  # noqa: ARG001
    return _page(f"{url}/api/health/ready") is not None


def _at_work(url: str, roles: Sequence[str], pid: int) -> bool:  # noqa: ARG001
    """Say whether a process has begun to play all of its roles."""
    page = _page(url) or ""
    return all(f'tasktracker_role_up{{role="{role}"}} 1.0' in page for role in roles)


def _page(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310
            return str(answer.read(), "utf-8")
    except (OSError, HTTPException):
        return None


def _free_api_port(host: str, wanted: int) -> int:
    """Take the port that is wanted, else the next free one; 0 means any."""
    if wanted == 0:
        return free_port()
    family = _family(host)
    for port in range(wanted, min(wanted + _PORTS_TRIED, 65_536)):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise StackError(f"no free port between {wanted} and {wanted + _PORTS_TRIED - 1} on {host}: choose one with --port")


def _family(host: str) -> socket.AddressFamily:
    try:
        return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
    except OSError as error:
        raise StackError(f"{host} is no address of this machine: give another in TASKTRACKER_HOST") from error


def holder_of(port: int) -> str:
    """Say which process listens on a port of this machine, as far as we may know."""
    wanted = f":{port:04X}"
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            rows = [line.split() for line in Path(table).read_text(encoding="ascii").splitlines()[1:]]
            inodes |= {row[9] for row in rows if row[1].endswith(wanted) and row[3] == "0A"}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            target = str(link.readlink())
            if target.startswith("socket:[") and target[8:-1] in inodes:
                process = link.parts[2]
                name = Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip()
                return f"{name}, process {process}"
    return "another program"
