"""A whole pipeline whose processes may be killed, frozen, cut off and told the wrong time, by name."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, LiteralString

import httpx
import psycopg
from nats.aio.client import Client
from nats.js.api import ConsumerConfig, DeliverPolicy
from pydantic import SecretStr

from deploy import streams
from deploy.bench.counts import Miscounted
from deploy.bench.faults.clock import Clock
from deploy.bench.faults.proxy import Proxy, proxy
from deploy.bench.servers import Servers, until
from deploy.bench.usage import family
from deploy.local.nats import Nats
from deploy.local.permissions import PERMISSIONS
from deploy.local.postgres import DATABASE, Postgres
from deploy.local.process import Process, Service, free_port
from deploy.local.stack import PROCESSES
from deploy.roles import NAMES
from pipelines.store.migrate import migrate
from schemas.subjects import Durable, Stream

ACK_WAIT_SECONDS = 4.0
"""Shorter than the real 20 s, so that what a killed role held comes again soon."""

FEW: Mapping[str, tuple[str, ...]] = PROCESSES
"""The roles in as many processes as ``up`` has."""

EACH: Mapping[str, tuple[str, ...]] = {name: (name,) for name in NAMES}
"""Every role in a process of its own."""

SERVERS = ("nats", "postgres")
DOORS = ("api", "inlets")
HOOK = "hook"
"""The source that the inlets know."""

_USERS = {name: name if name in PERMISSIONS else "lanes" for name in EACH} | {"dataflow": "flow"}

_ROOT = Path(__file__).parents[3]
_START_SECONDS = 60.0
_SETTLE_SECONDS = 90.0


def command(*roles: str) -> tuple[str, ...]:
    """Write the command line of a process that plays roles."""
    return (sys.executable, "-m", "deploy.roles", *roles)


class House:
    """Servers and roles in one folder.

    ``commands`` stand in for the processes' own. ``faketime``: the library with which each has a clock of its own.
    ``links`` is empty until ``behind_proxies``.
    """

    def __init__(
        self,
        folder: Path,
        pg_bin: Path | None,
        *,
        roles: Mapping[str, tuple[str, ...]] = FEW,
        commands: Mapping[str, tuple[str, ...]] | None = None,
        faketime: Path | None = None,
    ) -> None:
        self.pg_bin = pg_bin
        self._servers = Servers(folder, pg_bin=pg_bin)
        self.nats: Nats = self._servers.nats
        self.postgres: Postgres = self._servers.postgres
        self.headers = self._servers.headers
        self.roles = tuple(roles)
        self.settings = self._servers.reach(DATABASE)
        self.links: dict[str, Proxy] = {}
        self.folder = folder
        self._commands = {name: command(*played) for name, played in roles.items()} | dict(commands or {})
        self._processes: dict[str, Process] = {}
        self._kinds: dict[str, str] = {}
        self._ports = {name: free_port() for name in DOORS if name in roles}
        self.clocks = {name: Clock(faketime, folder / f"{name}.clock") for name in roles} if faketime else {}

    @property
    def url(self) -> str:
        """Where clients find the api."""
        return f"http://127.0.0.1:{self._port_of('api')}"

    @property
    def hooks(self) -> str:
        """Where clients find the inlets."""
        return f"http://127.0.0.1:{self._port_of('inlets' if 'inlets' in self._ports else 'api')}/webhook"

    def _port_of(self, door: str) -> int:
        return self.links[door].port if door in self.links else self._ports[door]

    def version(self) -> str:
        """Ask PostgreSQL which one it is."""
        return self._servers.version()

    def client(self, user: str = "admin") -> AbstractAsyncContextManager[Client]:
        """Connect to NATS past all proxies."""
        return self._servers.client(user)

    async def behind_proxies(self, stack: AsyncExitStack) -> None:
        """Put a proxy on each link: from the roles to both servers, and from clients to the doors."""
        for name, port in {"nats": self.nats.port, "postgres": self.postgres.port, **self._ports}.items():
            self.links[name] = await stack.enter_async_context(proxy(port))
        nats, postgres = (self.links[name].port for name in SERVERS)
        self.settings = self.settings.model_copy(
            update={
                "nats_url": SecretStr(f"nats://127.0.0.1:{nats}"),
                "database_url": SecretStr(f"postgresql://127.0.0.1:{postgres}/{DATABASE}"),
            }
        )

    async def open(self) -> None:
        """Start servers and roles, and wait until clients can come in."""
        self.postgres.start()
        self.nats.start()
        await asyncio.to_thread(migrate, self.postgres.url())
        await self._declare()
        for name in self.roles:
            self.start(name)
        for name in self.roles:
            await self.at_work(name)
        await until(self.ready, seconds=_START_SECONDS, what="the api")
        source = {"slug": HOOK, "channel": "webhook", "settings": {"unsigned": True}}
        async with httpx.AsyncClient(base_url=self.url, headers=self.headers, timeout=10) as client:
            (await client.post("/api/sources", json=source)).raise_for_status()

    async def _declare(self) -> None:
        async with self.client() as nc:
            js = nc.jetstream(timeout=10)
            await streams.declare(js)
            for durable in Durable:
                config = streams.consumer_config(durable)
                config.ack_wait = ACK_WAIT_SECONDS
                await js.add_consumer(streams.stream_of(durable), config)

    def close(self) -> None:
        """Stop everything."""
        for process in self._processes.values():
            process.stop()
        self._servers.close()

    # Its parts

    def start(self, name: str, *, like: str | None = None) -> None:
        """Start a server or a role; ``like``: one more process beside the one of that name, and like it."""
        if server := self._server(name):
            server.start()
            return
        kind = self._kinds[name] = like or name
        settings, clock = self.settings, self.clocks.get(kind)
        if kind in self._ports:
            settings = settings.model_copy(update={"port": self._ports[kind]})
        service = Service(
            name=name,
            command=self._commands[kind],
            environment=settings.environment() | (clock.environment() if clock else {}),
            directory=_ROOT,
            grace_seconds=10.0,
        )
        self._processes[name] = Process(service, self.folder / f"{name}.log")
        self._processes[name].start()

    def kill(self, name: str) -> None:
        """End a server or a role by SIGKILL and start it again at once."""
        victim = self._server(name) or self._processes[name]
        victim.kill()
        victim.start()

    def pids(self, name: str) -> set[int]:
        """List the processes of a server or a role; raises Miscounted when it has ended."""
        return family(self._pid(name))

    def freeze(self, name: str) -> None:
        """Stop a server or a role where it stands, as a debugger or a starved machine does."""
        for pid in self.pids(name):
            os.kill(pid, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let what was frozen go on."""
        for pid in self.pids(name):
            os.kill(pid, signal.SIGCONT)

    async def stop(self, name: str) -> None:
        """End a server or a role as one should; raises Miscounted when a role does not end well."""
        if server := self._server(name):
            await asyncio.to_thread(server.stop)
            return
        await self.at_work(name)
        await self._end(name, self._processes.pop(name))

    async def roll(self, name: str) -> None:
        """Replace a role: its successor is at work before it is stopped, and a door's is where clients come in.

        Where two processes would need one port, and no proxy stands before it, it is stopped first.
        """
        if name in self._ports and name not in self.links:
            await self.stop(name)
            self.start(name)
            await until(self.ready, seconds=_START_SECONDS, what=f"the new {name}")
            return
        await self.at_work(name)
        old, before = self._processes.pop(name), await self._connections(name)
        if name in self._ports:
            self._ports[name] = free_port()
        self.start(name)
        await self.at_work(name, beside=before)
        if name in self._ports:
            self.links[name].to_port = self._ports[name]
        await self._end(name, old)

    def tend(self) -> list[str]:
        """Start again, as a supervisor does, what has ended by itself; name it."""
        ended = [name for name, process in self._processes.items() if process.pid is None]
        for name in ended:
            self._processes[name].start()
        return ended

    async def _end(self, name: str, process: Process) -> None:
        code = await asyncio.to_thread(process.stop)  # in a thread: here run the proxies that it says good-bye through
        if code:
            raise Miscounted(f"{name} was asked to stop and ended with exit code {code}")

    async def at_work(self, name: str, *, beside: int = 0) -> None:
        """Wait until a process can be stopped in order, and NATS has more connections of its kind than ``beside``."""

        async def at_work() -> bool:
            return _catches_sigterm(self._pid(name)) and await self._connections(name) > beside

        await until(at_work, seconds=_START_SECONDS, what=f"{name} to be at work")

    async def _connections(self, name: str) -> int:
        async with httpx.AsyncClient(timeout=5) as client:
            told = (await client.get(f"{self.nats.monitoring_url}/connz?auth=1&limit=1000")).json()
        return sum(each.get("authorized_user") == _USERS[self._kinds[name]] for each in told["connections"])

    def _server(self, name: str) -> Nats | Postgres | None:
        servers: dict[str, Nats | Postgres] = {"nats": self.nats, "postgres": self.postgres}
        return servers.get(name)

    def _pid(self, name: str) -> int:
        pid = (self._server(name) or self._processes[name]).pid
        if pid is None:
            log = (self.folder / f"{name}.log").read_text("utf-8", "replace")
            raise Miscounted(f"{name} has ended:\n" + "\n".join(log.splitlines()[-8:]))
        return pid

    # How it does

    async def ready(self) -> bool:
        """Ask the api whether it can serve."""
        with suppress(httpx.HTTPError):
            async with httpx.AsyncClient(timeout=5) as client:
                return (await client.get(f"{self.url}/api/health/ready")).is_success
        return False

    async def not_ready(self) -> bool:
        """Ask the api whether it cannot serve."""
        return not await self.ready()

    async def settled(self) -> None:
        """Wait until nothing waits at a durable or at the relay."""
        async with httpx.AsyncClient(base_url=self.url, headers=self.headers, timeout=5) as client:

            async def empty() -> bool:
                with suppress(httpx.HTTPError, KeyError):
                    health = (await client.get("/api/health")).json()
                    durables = health["durables"].values()
                    left = sum(each["waiting"] + each["held"] for each in durables)
                    return not left and health["database"]["relay"]["waiting"] == 0
                return False

            await until(empty, seconds=_SETTLE_SECONDS, what="the pipeline to settle")

    async def rows(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database, as the owner of its tables and past all proxies."""
        async with await psycopg.AsyncConnection.connect(
            self.postgres.url(), autocommit=True, connect_timeout=5
        ) as conn:
            return await (await conn.execute(query, values)).fetchall()

    async def run(self, statement: LiteralString) -> None:
        """Run a statement as the owner of the tables."""
        async with await psycopg.AsyncConnection.connect(
            self.postgres.url(), autocommit=True, connect_timeout=5
        ) as conn:
            await conn.execute(statement)

    async def stream(self, name: Stream, *, after: int = 0) -> list[bytes]:
        """Read a whole stream, or what comes behind a sequence."""
        async with self.client() as nc:
            js = nc.jetstream(timeout=10)
            state = (await js.stream_info(name)).state
            start = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=after + 1)
            inbox = await js.subscribe(">", stream=name, ordered_consumer=True, config=start)
            count = min(state.messages, max(state.last_seq - after, 0))
            return [(await inbox.next_msg(timeout=10)).data for _ in range(count)]


def _catches_sigterm(pid: int) -> bool:
    """Tell whether a process handles SIGTERM: one that still loads its code cannot be stopped in order."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


@contextmanager
def house(folder: Path, pg_bin: Path | None, **how: Any) -> Iterator[House]:
    """Make a house and close it, whatever happens."""
    made = House(folder, pg_bin, **how)
    try:
        yield made
    finally:
        made.close()
