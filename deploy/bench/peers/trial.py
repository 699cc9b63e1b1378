"""One run of one peer: messages sent, workers let go, the clock stopped at the last row and result; all counted."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import psycopg
from nats.aio.client import Client
from nats.js.api import ConsumerInfo
from nats.js.errors import NotFoundError

from deploy.bench.counts import Miscounted, must_be
from deploy.bench.flow import Cost, register
from deploy.bench.load import Load
from deploy.bench.peers import work
from deploy.bench.peers.environment import ROOT
from deploy.bench.peers.parties import Party
from deploy.bench.peers.redis_server import Redis
from deploy.bench.servers import Servers, until
from deploy.bench.usage import Meter, family
from deploy.local.process import Process, Service
from deploy.settings import Settings
from schemas.subjects import Stream

_FOREVER = datetime(2999, 1, 1, tzinfo=UTC)
_SOON = timedelta(seconds=0.3)
_PATIENCE_SECONDS = 600.0
_LATE_SECONDS = 3.0
_WAITING, _TAKEN = "waiting", "celery"
"""The queue that Celery's messages wait in, and the one that its workers take from."""


class HandedOutAgain(Miscounted):
    """A message failed, or was forgotten by a worker until its time was over: the run says nothing about speed."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What all runs share; ``python`` is the peers' interpreter, ``redis`` None where there is none."""

    servers: Servers
    load: Load
    python: Path
    redis: Redis | None

    async def run(self, party: Party, settings: Settings, *, count: int, processes: int) -> Cost:
        """Let a peer take ``count`` messages from its own broker through the stages; raises Miscounted.

        The workers are up and ask for messages before any is there. The clock runs from the moment when the first may
        be handed out to the last acknowledgement, which follows the last result, which follows the last commit.
        """
        await self.servers.streams()
        await register(settings, self.load)
        self._hush(settings)
        before = self.servers.count(settings, "events")
        messages = self.servers.folder / "messages"
        lines = (message.model_dump_json(exclude_none=True) for message in self.load.raw(count, tag=party.name))
        messages.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        async with self.servers.client() as nc:
            gate: _Gate = _Consumer(nc, party) if party.stream else _Queue(self._redis())
            await gate.clear()
            with self._workers(party, settings, processes) as pids:
                await self._all_up(gate, settings, processes)
                await gate.shut()
                await self._send(party, settings, messages)
                must_be("messages that wait", await gate.waiting(), count)
                cost = await self._timed(gate, nc, pids, count)
        self._check(settings, count, events=before)
        return cost

    async def _timed(self, gate: "_Gate", nc: Client, pids: Callable[[], set[int]], count: int) -> Cost:
        expected = count + self.load.tasks_in(count)

        async def all_acknowledged() -> bool:
            if not pids():
                raise Miscounted("they have ended")
            return await gate.empty()

        async def all_published() -> bool:
            return await self._results(nc) >= expected

        meter = self._meter(pids)
        await gate.open()
        meter.start()
        begun = perf_counter()
        await self._until(all_acknowledged, seconds=_PATIENCE_SECONDS, what="the last acknowledgement")
        with suppress(Miscounted):  # to be told with the numbers
            await until(all_published, seconds=_LATE_SECONDS, what="the last result")
        cost = Cost(count, perf_counter() - begun, meter.stop())
        del cost.cpu["bench"]  # it only looks on
        must_be("results", await self._results(nc), expected)
        return cost

    async def _results(self, nc: Client) -> int:
        return (await nc.jetstream(timeout=10).stream_info(Stream.RESULTS)).state.messages

    def _hush(self, settings: Settings) -> None:
        """Let the store wake no relay: a peer publishes its results itself, and NOTIFY makes commits wait in a line."""
        with psycopg.connect(self.servers.address(settings), autocommit=True) as conn:
            conn.execute(_HUSH.encode())

    def _check(self, settings: Settings, count: int, *, events: int) -> None:
        tasks = self.load.tasks_in(count)
        expected = {"messages": count, "verdicts": count, "tasks": tasks, "evidence": tasks}
        expected["events"] = events + count + tasks
        for table, rows in expected.items():
            must_be(f"rows of {table}", self.servers.count(settings, table), rows)

    async def _all_up(self, gate: "_Gate", settings: Settings, processes: int) -> None:
        workers = "select count(distinct application_name) from pg_stat_activity where datname = current_database()"

        async def up() -> bool:
            [(found,)] = self.servers.rows(settings, f"{workers} and application_name like 'peer-%'")
            return found == processes and await gate.asked(processes)

        await self._until(up, seconds=60, what="the workers to start")

    async def _until(self, condition: Callable[[], Awaitable[bool]], *, seconds: float, what: str) -> None:
        try:
            await until(condition, seconds=seconds, what=what)
        except Miscounted as error:
            raise type(error)(f"{error}; the workers said: {self._last_lines()}") from error

    async def _send(self, party: Party, settings: Settings, messages: Path) -> None:
        where = f"{self._redis().url} {_WAITING}" if party.stream is None else ""
        command = ("-m", "deploy.bench.peers.send", party.kind, str(messages), where)
        sending = await asyncio.create_subprocess_exec(
            str(self.python), *command, env=_environment(settings), cwd=ROOT, stderr=asyncio.subprocess.PIPE
        )
        try:
            _, said = await sending.communicate()
        finally:
            if sending.returncode is None:
                sending.kill()
        if sending.returncode:
            raise Miscounted(f"{party.name}: the messages could not be sent: {said.decode()[-800:]}")

    @contextmanager
    def _workers(self, party: Party, settings: Settings, processes: int) -> Iterator[Callable[[], set[int]]]:
        redis = self.redis.url if self.redis else ""
        self._log.write_bytes(b"")
        started: list[Process] = []
        try:
            for number, command in enumerate(party.commands(self.python, processes=processes, redis=redis)):
                service = Service(
                    name=f"{party.name}-{number}",
                    command=command,
                    environment=_environment(settings),
                    grace_seconds=10.0,
                    death_signal=signal.SIGTERM,  # their children end only when they are told to
                    directory=ROOT,
                )
                started.append(Process(service, self._log))
                started[-1].start()
            yield lambda: {pid for each in started if each.pid for pid in family(each.pid)}
        finally:
            for each in started:
                each.stop()

    def _meter(self, pids: Callable[[], set[int]]) -> Meter:
        servers = self.servers
        parties = {
            "workers": pids,
            "nats": lambda: family(pid) if (pid := servers.nats.pid) else set(),
            "postgres": lambda: family(pid) if (pid := servers.postgres.pid) else set(),
            "redis": lambda: family(pid) if self.redis and (pid := self.redis.pid) else set(),
        }
        return Meter(parties)

    @property
    def _log(self) -> Path:
        return self.servers.folder / "peers.log"

    def _last_lines(self) -> str:
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-8:]) if self._log.exists() else ""

    def _redis(self) -> Redis:
        if self.redis is None:
            raise Miscounted("there is no Redis")
        return self.redis


class _Consumer:
    """The gate of a peer that reads from NATS: its consumer, paused."""

    def __init__(self, nc: Client, party: Party) -> None:
        self._nc, self._js = nc, nc.jetstream(timeout=10)
        self._stream, self._durable = party.stream or "", party.durable

    async def clear(self) -> None:
        """Begin with nothing."""
        with suppress(NotFoundError):
            await self._js.delete_stream(self._stream)

    async def asked(self, processes: int) -> bool:
        """Tell whether so many workers ask for messages."""
        with suppress(NotFoundError):
            info = await self._info()
            return bool(info.push_bound) or (info.num_waiting or 0) >= processes
        return False

    async def shut(self) -> None:
        """Let nothing be handed out."""
        await self._pause(_FOREVER)

    async def open(self) -> None:
        """Let it be handed out from now on. The end of a pause wakes who asks; calling it off would not."""
        delivered = (await self._info()).delivered
        must_be("messages handed out too early", delivered.consumer_seq if delivered else 0, 0)
        start = datetime.now(UTC) + _SOON
        await self._pause(start)
        await asyncio.sleep((start - datetime.now(UTC)).total_seconds())

    async def waiting(self) -> int:
        """Count what waits."""
        return (await self._info()).num_pending or 0

    async def empty(self) -> bool:
        """Tell whether all is acknowledged; raises HandedOutAgain."""
        info = await self._info()
        if info.num_redelivered:
            raise HandedOutAgain(f"messages handed out again: {info.num_redelivered}")
        return info.num_pending == 0 and info.num_ack_pending == 0

    async def _info(self) -> ConsumerInfo:
        info: ConsumerInfo = await self._js.consumer_info(self._stream, self._durable)
        return info

    async def _pause(self, end: datetime) -> None:
        body = json.dumps({"pause_until": end.isoformat()}).encode()
        answer = json.loads(
            (await self._nc.request(f"$JS.API.CONSUMER.PAUSE.{self._stream}.{self._durable}", body)).data
        )
        must_be("whether the consumer is paused", answer.get("paused"), True)


class _Queue:
    """The gate of Celery: messages wait under another name, which is then changed to the one that workers take from."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def clear(self) -> None:
        """Begin with nothing."""
        must_be("answer of Redis", self._redis.ask("FLUSHALL"), "+OK")

    async def asked(self, processes: int) -> bool:
        """Tell whether the workers are there: that they are connected to PostgreSQL says it."""
        return processes > 0

    async def shut(self) -> None:
        """Let nothing be handed out: the workers take from another name."""

    async def open(self) -> None:
        """Let the workers have the messages."""
        must_be("answer of Redis", self._redis.ask("RENAME", _WAITING, _TAKEN), "+OK")

    async def waiting(self) -> int:
        """Count what waits."""
        return self._redis.length(_WAITING)

    async def empty(self) -> bool:
        """Tell whether all is acknowledged."""
        return self._redis.length(_TAKEN) == 0 and self._redis.ask("HLEN", "unacked") == ":0"


_Gate = _Consumer | _Queue

_HUSH = f"""
create schema {work.HUSHED};
grant usage on schema {work.HUSHED} to public;
create function {work.HUSHED}.pg_notify(text, text) returns void language sql as 'select null::void';
"""  # found before PostgreSQL's own by the search path of the workers


def _environment(settings: Settings) -> dict[str, str]:
    path = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in os.environ}
    return path | settings.environment() | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
