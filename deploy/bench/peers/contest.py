"""``bench peers``: our road beside other ways to run the same stages, in rounds."""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from os import getloadavg
from pathlib import Path
from statistics import median
from typing import Any

from deploy.bench import flow
from deploy.bench.counts import medians
from deploy.bench.flow import Cost
from deploy.bench.load import Load, read
from deploy.bench.peers import environment, redis_server
from deploy.bench.peers.environment import NotThere
from deploy.bench.peers.parties import OURS, PARTIES, Party
from deploy.bench.peers.redis_server import Redis
from deploy.bench.peers.trial import HandedOutAgain, Trial
from deploy.bench.road import Say
from deploy.bench.servers import Servers, opened
from deploy.bench.usage import machine
from deploy.settings import Settings

SHOWN = ("celery", "faststream", "kombu", "nats-py", "psycopg", "taskiq", "taskiq-nats", "uvloop")
TRIES = 3
"""How often a run is tried in which messages were handed out again: under load, clients forget some (see the docs)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured: ``only`` names the parties (none: all), ``processes`` how many of each work at once."""

    messages: Path | None = None
    count: int = 5_000
    processes: tuple[int, ...] = (1, 2)
    repeat: int = 5
    only: tuple[str, ...] = ()
    pg_bin: Path | None = None
    folder: Path = environment.FOLDER


async def peers(plan: Plan, say: Say) -> dict[str, Any]:
    """Measure each party in each round; raises Miscounted for a wrong count, NotThere for what is missing."""
    load = read(plan.messages)
    wanted = _wanted(plan.only)
    left_out: dict[str, str] = {}
    program = redis_server.find()
    if program is None:
        left_out = {party.name: redis_server.HOW_TO_INSTALL for party in wanted if party.needs_redis}
    parties = [party for party in wanted if party.name not in left_out]
    if not parties:
        raise NotThere(redis_server.HOW_TO_INSTALL)
    say("the peers' packages: seconds, a minute the first time", 0, 1)
    python = await environment.prepare(plan.folder)
    with ExitStack() as stack:
        servers = stack.enter_context(opened(pg_bin=plan.pg_bin))
        redis = None
        if program and any(party.needs_redis for party in parties):
            redis = Redis(program, servers.folder / "redis")
            stack.callback(redis.stop)
            redis.start()
        contest = Contest(plan, servers, load, Trial(servers, load, python, redis), machine(servers.version()))
        steps = [
            (turn, party, processes)
            for turn in range(1, plan.repeat + 1)
            for processes in plan.processes
            for party in parties
        ]
        for number, (turn, party, processes) in enumerate(steps):
            say(f"round {turn}: {party.title}, {processes} at work", number, len(steps))
            await contest.run(party, processes)
        say("done", len(steps), len(steps))
        return contest.report(parties, left_out)


def _wanted(names: tuple[str, ...]) -> list[Party]:
    known = [party.name for party in PARTIES]
    for name in names:
        if name not in known:
            raise NotThere(f"nobody is called {name}; there are {', '.join(known)}")
    return [party for party in PARTIES if not names or party.name in names]


@dataclass
class Contest:
    """The rounds: what each party did in each, and how the machine was."""

    plan: Plan
    servers: Servers
    load: Load
    trial: Trial
    machine: dict[str, Any]
    found: dict[tuple[str, int], list[dict[str, Any]]] = field(default_factory=dict)
    loads: list[float] = field(default_factory=list)
    repeated: Counter[str] = field(default_factory=Counter)

    async def run(self, party: Party, processes: int) -> None:
        """Measure a party once, in a database of its own."""
        self.loads.append(round(getloadavg()[0], 1))
        before = self.found.setdefault((party.name, processes), [])
        for left in reversed(range(TRIES)):
            settings = self.servers.database(f"{party.name}_{processes}_{len(before)}_{left}".replace("-", "_"))
            try:
                cost = await self._measure(party, settings, processes)
            except HandedOutAgain:
                if left == 0:
                    raise
                self.repeated[party.title] += 1
                continue
            finally:
                self.servers.drop(settings)
            before.append(cost.report())
            return

    async def _measure(self, party: Party, settings: Settings, processes: int) -> Cost:
        if party.name == OURS:
            return await self._ours(settings, processes)
        return await self.trial.run(party, settings, count=self.plan.count, processes=processes)

    async def _ours(self, settings: Settings, processes: int) -> Cost:
        _, cost = await flow.run(
            self.servers, settings, self.load, count=self.plan.count, processes=processes, tag=OURS, relayed=True
        )
        used = dict(cost.cpu)
        workers = used.pop("flow") + used.pop("relay")
        return Cost(cost.count, cost.seconds, {"workers": workers, **used})

    def report(self, parties: list[Party], left_out: dict[str, str]) -> dict[str, Any]:
        """Write what was found: medians, and how many times faster ours was in the same round."""
        locked = environment.versions()
        return {
            "machine": self.machine,
            "versions": {name: locked[name] for name in SHOWN} | self._redis(),
            "load": {"lowest": min(self.loads), "median": median(self.loads), "highest": max(self.loads)},
            "messages": self.plan.count,
            "tasks": self.load.tasks_in(self.plan.count),
            "rounds": self.plan.repeat,
            "parties": [
                {"name": party.name, "title": party.title, "processes": processes} | self._figures(party, processes)
                for processes in self.plan.processes
                for party in parties
            ],
            "left_out": left_out,
            "repeated": dict(self.repeated),
        }

    def _figures(self, party: Party, processes: int) -> dict[str, Any]:
        reports = self.found[party.name, processes]
        rates = [each["per_second"] for each in reports]
        ours = [each["per_second"] for each in self.found.get((OURS, processes), [])]
        ratios = [own / rate for own, rate in zip(ours, rates, strict=True)] if ours else []
        return medians(reports) | {
            "lowest": min(rates),
            "highest": max(rates),
            "ours_is_times": round(median(ratios), 2) if ratios else None,
        }

    def _redis(self) -> dict[str, str]:
        return {"redis-server": self.trial.redis.version()} if self.trial.redis else {}
