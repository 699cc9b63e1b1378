"""A whole pipeline whose processes a test may kill, with a ledger of what it was told."""

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import nats
import psycopg
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from deploy import streams
from deploy.local.credentials import load_or_create
from deploy.local.nats import Nats
from deploy.local.postgres import Postgres
from deploy.local.process import Process, Service, free_port
from deploy.settings import Settings
from pipelines.store.migrate import migrate
from schemas.events import EventType
from schemas.subjects import Durable, Stream
from tests.waiting import until

ACK_WAIT_SECONDS = 4.0
"""Shorter than the real 20 s, so that what a killed flow held comes again soon."""

FLOW = (sys.executable, "-m", "deploy.roles", "dataflow")
RELAY = (sys.executable, "-m", "deploy.roles", "relay", "bury")
API = (sys.executable, "-m", "deploy.roles", "api")

ROOT = Path(__file__).parent.parent.parent


class House:
    """Servers and roles in one folder; roles are started, killed and started again by name."""

    def __init__(self, folder: Path, pg_bin: Path | None) -> None:
        credentials = load_or_create(folder)
        self.postgres = Postgres(folder, credentials, pg_bin=pg_bin)
        self.nats = Nats(folder, credentials)
        self.token = credentials.token
        self.settings = Settings(
            database_url=SecretStr(f"postgresql://127.0.0.1:{self.postgres.port}/tasktracker"),
            nats_url=SecretStr(f"nats://127.0.0.1:{self.nats.port}"),
            credentials=folder / "credentials.json",
            data=folder,
            port=free_port(),
        )
        self.url = f"http://127.0.0.1:{self.settings.port}"
        self._folder = folder
        self._roles: dict[str, Process] = {}

    def start(self, name: str, command: tuple[str, ...]) -> None:
        """Start a role, or start it again."""
        service = Service(
            name=name, command=command, environment=self.settings.environment(), directory=ROOT, grace_seconds=10.0
        )
        self._roles[name] = Process(service, self._folder / f"{name}.log")
        self._roles[name].start()

    def kill(self, name: str) -> None:
        """End a role or a server by SIGKILL and start it again at once."""
        servers: dict[str, Nats | Postgres] = {"nats": self.nats, "postgres": self.postgres}
        victim = servers.get(name) or self._roles[name]
        victim.kill()
        victim.start()

    def freeze(self, name: str) -> None:
        """Stop a role where it stands, as a debugger or a starved machine does."""
        os.kill(self._pid(name), signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let a frozen role go on."""
        os.kill(self._pid(name), signal.SIGCONT)

    def _pid(self, name: str) -> int:
        pid = self._roles[name].pid
        assert pid is not None
        return pid

    def stop(self, name: str) -> int | None:
        """End a role by SIGTERM; return its exit code."""
        return self._roles.pop(name).stop()

    async def open(self, *, flow: tuple[str, ...] = FLOW) -> None:
        """Start servers and roles, and wait until the api serves."""
        self.postgres.start()
        self.nats.start()
        await asyncio.to_thread(migrate, self.postgres.url())
        await self._declare()
        for name, command in (("flow", flow), ("relay", RELAY), ("api", API)):
            self.start(name, command)
        await until(self._ready, seconds=30, what="the api")

    def close(self) -> None:
        """Stop everything."""
        for name in list(self._roles):
            self.stop(name)
        self.nats.stop()
        self.postgres.stop()

    async def _declare(self) -> None:
        client = await nats.connect(self.nats.url("admin"))
        try:
            js = client.jetstream()
            await streams.declare(js)
            for durable in (Durable.LIVE, Durable.BULK):
                config = streams.consumer_config(durable)
                config.ack_wait = ACK_WAIT_SECONDS
                await js.add_consumer(Stream.RAW, config)
        finally:
            await client.close()

    async def _ready(self) -> bool:
        with suppress(httpx.HTTPError):
            async with httpx.AsyncClient() as client:
                return (await client.get(f"{self.url}/api/health/ready")).is_success
        return False

    async def settled(self) -> None:
        """Wait until nothing waits at the flow and at the relay."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=5) as client:

            async def empty() -> bool:
                health = (await client.get("/api/health")).json()
                durables = [health["durables"][name] for name in (Durable.LIVE, Durable.BULK)]
                left = [each.get(what, 1) for each in durables for what in ("waiting", "held")]
                return not any(left) and health["database"].get("relay", {"waiting": 1})["waiting"] == 0

            await until(empty, seconds=60, what="the pipeline to settle")

    async def pulling(self) -> bool:
        """Say whether a flow asks for live messages; one that still loads its code cannot be stopped in order."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=5) as client:
            health = (await client.get("/api/health")).json()
        return bool(health["durables"][Durable.LIVE].get("pulls"))

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database."""
        async with await psycopg.AsyncConnection.connect(self.postgres.url(), autocommit=True) as conn:
            return await (await conn.execute(query)).fetchall()

    async def run(self, statement: str) -> None:
        """Run a statement as the owner of the tables."""
        async with await psycopg.AsyncConnection.connect(self.postgres.url(), autocommit=True) as conn:
            await conn.execute(statement)

    async def stream(self, name: Stream) -> list[bytes]:
        """Read a whole stream."""
        client = await nats.connect(self.nats.url("admin"))
        try:
            js = client.jetstream()
            count = (await js.stream_info(name)).state.messages
            subscription = await js.subscribe(">", stream=name, ordered_consumer=True)
            return [(await subscription.next_msg(timeout=5)).data for _ in range(count)]
        finally:
            await client.close()


@dataclass
class Ledger:
    """What the senders were told of each message: acknowledged, or unknown when no answer came."""

    acknowledged: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)


async def some_load(ledger: Ledger, count: int = 100) -> None:
    """Wait until so many more messages are acknowledged."""
    before = len(ledger.acknowledged)
    await until(lambda: len(ledger.acknowledged) >= before + count, seconds=30, what=f"{count} messages to be accepted")


async def send(house: House, ledger: Ledger, stop: asyncio.Event, *, sender: str, seed: int) -> None:
    """Send small lists of messages without pause until ``stop``; what is refused is sent again under the same id."""
    rng, number = random.Random(seed), 0
    headers = {"Authorization": f"Bearer {house.token}"}
    async with httpx.AsyncClient(base_url=house.url, headers=headers, timeout=5) as client:
        while not stop.is_set():
            ids = [f"{sender}-{number + place}" for place in range(rng.randint(1, 12))]
            number += len(ids)
            body = [{"source": "load", "external_id": name, "author": sender, "text": _text(name)} for name in ids]
            try:
                answer = await client.post("/api/messages", json=body)
            except httpx.HTTPError:
                ledger.unknown.update(ids)
                continue
            (ledger.acknowledged if answer.status_code == 202 else ledger.unknown).update(ids)
            await asyncio.sleep(0.02)


def _text(name: str) -> str:
    """Every third message holds work."""
    number = int(name.rpartition("-")[2])
    return f"please fix the login page, it crashes: case {name}" if number % 3 == 0 else f"good morning from {name}"


class Listener:
    """A WebSocket client that resumes where it was cut off, and keeps what it saw in order."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.positions: list[int] = []
        self.events: list[str] = []
        self._position, self._epoch = 0, ""

    async def listen(self) -> None:
        """Listen from the very first event on, until cancelled."""
        headers = {"Authorization": f"Bearer {self._house.token}"}
        base = self._house.url.replace("http", "ws", 1)
        while True:
            epoch = f"&epoch={self._epoch}" if self._epoch else ""
            url = f"{base}/ws?after={self._position}{epoch}"
            with suppress(OSError, WebSocketException, TimeoutError):
                async with connect(url, additional_headers=headers, open_timeout=5) as socket:
                    async for frame in socket:
                        self._take(json.loads(frame))
            await asyncio.sleep(0.1)  # the pause before it connects again

    def _take(self, said: dict[str, Any]) -> None:
        if said["type"] == "hello":
            self._epoch = said["epoch"]
        elif said["type"] == "event":
            self._position = said["position"]
            self.positions.append(said["position"])
            self.events.append(said["event"]["id"])
        else:
            raise AssertionError(f"a resuming client was told {said}")

    async def caught_up(self, position: int) -> None:
        """Wait until a position has come."""
        await until(lambda: self._position >= position, seconds=30, what=f"position {position}")


@dataclass(frozen=True, slots=True)
class Balance:
    """What was lost and what was doubled, by place; all empty when the promise holds."""

    lost: set[str]
    doubled: Counter[str]
    invented: set[str]


async def balance(house: House, ledger: Ledger) -> Balance:
    """Compare the ledger with the rows."""
    rows = Counter(name for (name,) in await house.rows("select external_id from messages"))
    known = ledger.acknowledged | ledger.unknown
    return Balance(
        lost=ledger.acknowledged - rows.keys(),
        doubled=Counter({name: count for name, count in rows.items() if count > 1}),
        invented=set(rows) - known,
    )


@asynccontextmanager
async def under_load(made: House, *, senders: int = 4) -> AsyncIterator[Ledger]:
    """Let several senders send while the block runs; then everything settles."""
    ledger, stop = Ledger(), asyncio.Event()
    sending = [
        asyncio.create_task(send(made, ledger, stop, sender=f"sender{number}", seed=number))
        for number in range(senders)
    ]
    try:
        yield ledger
    finally:
        stop.set()
        await asyncio.gather(*sending)
    await made.settled()


@asynccontextmanager
async def watched(made: House) -> AsyncIterator[Ledger]:
    """Let messages flow and a client listen while the block runs; then everything must add up.

    Ledger = messages = events = RESULTS = what the client saw, each once and in order.
    """
    listener = Listener(made)
    listening = asyncio.create_task(listener.listen())
    try:
        async with under_load(made) as ledger:
            yield ledger
        await _adds_up(made, ledger, listener)
    finally:
        listening.cancel()


async def _adds_up(made: House, ledger: Ledger, listener: Listener) -> None:
    found = await balance(made, ledger)
    assert (found.lost, found.doubled, found.invented) == (set(), Counter(), set())

    events = await made.rows("select id::text, type, message, position from events join positions using (seq)")
    processed = Counter(message for _, kind, message, _ in events if kind == EventType.MESSAGE_PROCESSED)
    messages = {message for (message,) in await made.rows("select id from messages")}
    assert processed == Counter(messages)
    created = Counter(message for _, kind, message, _ in events if kind == EventType.TASK_CREATED)
    origins = Counter(origin for (origin,) in await made.rows("select origin from tasks"))
    assert created == origins
    assert created

    order = [event for event, *_ in sorted(events, key=lambda row: row[3])]
    assert [position for *_, position in sorted(events, key=lambda row: row[3])] == list(range(1, len(events) + 1))
    published = [json.loads(event) for event in await made.stream(Stream.RESULTS)]
    assert [event["id"] for event in published] == order
    assert [event["position"] for event in published] == list(range(1, len(order) + 1))

    await listener.caught_up(len(order))
    assert listener.positions == list(range(1, len(order) + 1))
    assert listener.events == order


@contextmanager
def house(folder: Path, pg_bin: Path | None) -> Iterator[House]:
    """Make a house and close it, whatever happens."""
    made = House(folder, pg_bin)
    try:
        yield made
    finally:
        made.close()
