"""``bench road``: the dataflow beside the limits of its stages, latencies, growth, and the stack at rest."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from deploy.bench import filling, latency, limits
from deploy.bench.counts import medians
from deploy.bench.flow import Cost, run
from deploy.bench.idle import idle
from deploy.bench.load import Load, read
from deploy.bench.servers import Servers, opened
from deploy.bench.usage import machine

Say: TypeAlias = Callable[[str, int, int], None]
"""Told before each step: its name, how many are done, how many there are."""

ONE_BY_ONE = 2_000
"""Messages published one by one at most: it is slow, and its rate does not depend on their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured; 0 (or nothing) leaves a part out."""

    messages: Path | None = None
    count: int = 20_000
    processes: tuple[int, ...] = (1, 2, 4)
    repeat: int = 3
    rates: tuple[float, ...] = (20, 200)
    seconds: float = 10.0
    imported: int = 50_000
    rows: tuple[int, ...] = (10_000, 100_000)
    idle_seconds: float = 20.0
    pg_bin: Path | None = None


async def road(plan: Plan, say: Say) -> dict[str, Any]:
    """Measure everything of a plan, one part after the other; raises Miscounted when a count is wrong."""
    load = read(plan.messages)
    with opened(pg_bin=plan.pg_bin) as servers:
        work = _Road(plan, servers, load, machine(servers.version()))
        steps = work.steps()
        for number, (name, step) in enumerate(steps):
            say(name, number, len(steps))
            await step()
        say("done", len(steps), len(steps))
        return work.report()


@dataclass
class _Road:
    plan: Plan
    servers: Servers
    load: Load
    machine: dict[str, Any]
    flow: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    limits: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    latency: list[dict[str, Any]] = field(default_factory=list)
    imported: dict[str, Any] | None = None
    rows: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    idle: dict[str, Any] | None = None

    def steps(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """List what is to be done, the runs that are compared with each other side by side in each round."""
        plan, found = self.plan, list[tuple[str, Callable[[], Awaitable[None]]]]()
        for turn in range(1, plan.repeat + 1):
            for processes in plan.processes:
                found.append((f"round {turn}: dataflow x {processes}", _bind(self._flow, turn, processes)))
            found.append((f"round {turn}: dataflow and relay", _bind(self._relayed, turn)))
            found.append((f"round {turn}: limits of NATS", self._nats_limits))
            found.append((f"round {turn}: limits of PostgreSQL", _bind(self._copy_limits, turn)))
        found += [(f"latency at {rate:g}/s", _bind(self._latency, rate)) for rate in plan.rates]
        if plan.imported:
            found.append((f"latency while {plan.imported:,} are imported", self._import))
        for turn in range(1, plan.repeat + 1) if plan.rows else ():
            found += [(f"round {turn}: beside {rows:,} rows", _bind(self._beside, turn, rows)) for rows in plan.rows]
        if plan.idle_seconds:
            found.append(("idle", self._idle))
        return found

    def report(self) -> dict[str, Any]:
        """Write what was found: medians of the rounds, and ratios."""
        plan = self.plan
        bounds = {name: medians(found) for name, found in self.limits.items()}
        flows = {name: medians(found) | _spread(found) for name, found in self.flow.items()}
        for each in flows.values():
            each["of_copy"] = _ratio(each["per_second"], bounds["copy_staged"]["per_second"])
            each["of_copy_all"] = _ratio(each["per_second"], bounds["copy_all"]["per_second"])
            each["of_processor"] = _ratio(
                each["per_second"], (self.machine["cores"] or 1) * 1e6 / each["cpu_us"]["all"]
            )
        grown = [{"rows": rows} | medians(found) for rows, found in sorted(self.rows.items())]
        for each in grown:
            each["cost_ratio"] = _ratio(each["cpu_us"]["all"], grown[0]["cpu_us"]["all"])
        return {
            "machine": self.machine,
            "messages": plan.count,
            "tasks": self.load.tasks_in(plan.count),
            "rounds": plan.repeat,
            "flow": flows,
            "limits": bounds,
            "latency": self.latency,
            "import": self.imported,
            "rows": grown,
            "idle": self.idle,
        }

    async def _flow(self, turn: int, processes: int) -> None:
        settings = self.servers.database(f"flow_{turn}_{processes}")
        plan = self.plan
        published, stored = await run(
            self.servers, settings, self.load, count=plan.count, processes=processes, tag="flow"
        )
        self._note(self.limits, "publish_batches", published)
        self._note(self.flow, f"{processes} x dataflow", stored)
        if processes != plan.processes[0]:  # the first one's rows are what COPY is measured with
            self.servers.drop(settings)

    async def _relayed(self, turn: int) -> None:
        settings = self.servers.database(f"relayed_{turn}")
        _, stored = await run(
            self.servers, settings, self.load, count=self.plan.count, processes=1, tag="relayed", relayed=True
        )
        self._note(self.flow, "1 x dataflow and relay, to RESULTS", stored)
        self.servers.drop(settings)

    async def _nats_limits(self) -> None:
        single = min(ONE_BY_ONE, self.plan.count)
        self._note(self.limits, "publish_one_by_one", await limits.one_by_one(self.servers, self.load, single))
        self._note(self.limits, "pull", await limits.pull(self.servers, self.load, self.plan.count))

    async def _copy_limits(self, turn: int) -> None:
        servers = self.servers
        source = f"flow_{turn}_{self.plan.processes[0]}"
        done = servers.reach(source)
        for name, tables, load in (
            ("copy_staged", limits.STAGED, limits.copy_staged),
            ("copy_all", limits.ALL, limits.copy_in),
        ):
            target = servers.database(f"{name}_{turn}")
            rows = limits.copied(servers, done, tables)
            self._note(self.limits, name, load(servers, target, rows, self.plan.count))
            servers.drop(target)
        servers.drop(done)

    async def _latency(self, rate: float) -> None:
        settings = self.servers.database(f"latency_{rate:g}".replace(".", "_"))
        async with latency.stack(self.servers, settings):
            self.latency.append(
                await latency.at_rest(self.servers, settings, self.load, per_second=rate, seconds=self.plan.seconds)
            )

    async def _import(self) -> None:
        settings = self.servers.database("importing")
        async with latency.stack(self.servers, settings):
            self.imported = await latency.during_import(
                self.servers, settings, self.load, count=self.plan.imported, per_second=20
            )

    async def _beside(self, turn: int, rows: int) -> None:
        servers, plan = self.servers, self.plan
        base = min(plan.count, *plan.rows)
        settings = servers.database(f"beside_{turn}_{rows}")
        await run(servers, settings, self.load, count=base, processes=1, tag="base")
        filling.fill(servers, settings, rows)
        _, stored = await run(servers, settings, self.load, count=plan.count, processes=1, tag="beside")
        self.rows.setdefault(rows, []).append(stored.report())
        servers.drop(settings)

    async def _idle(self) -> None:
        self.idle = await idle(seconds=self.plan.idle_seconds)

    def _note(self, place: dict[str, list[dict[str, Any]]], name: str, cost: Cost) -> None:
        place.setdefault(name, []).append(cost.report())


def _bind(step: Callable[..., Awaitable[None]], *values: object) -> Callable[[], Awaitable[None]]:
    return lambda: step(*values)


def _ratio(value: float, beside: float) -> float:
    return round(value / beside, 3)


def _spread(found: list[dict[str, Any]]) -> dict[str, Any]:
    rates = [each["per_second"] for each in found]
    return {"lowest": min(rates), "highest": max(rates)}
