"""The benchmarks at their smallest: whatever they count is there, and what is not ends them."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.bench import filling, flow, limits
from deploy.bench.counts import Miscounted
from deploy.bench.latency import SOURCE, measure, stack
from deploy.bench.live import Plan as LivePlan
from deploy.bench.live import live
from deploy.bench.load import Load, read
from deploy.bench.road import Plan as RoadPlan
from deploy.bench.road import road
from deploy.bench.servers import Servers, opened
from deploy.bench.table import live_tables, road_tables
from deploy.cli.terminal import terminal

pytestmark = pytest.mark.stack

COUNT = 150


@pytest.fixture(scope="module")
def servers(pg_bin: Path | None) -> Iterator[Servers]:
    with opened(pg_bin=pg_bin) as made:
        yield made


@pytest.fixture(scope="module")
def load() -> Load:
    return read(None)


def shown(parts: Iterator[object], capsys: pytest.CaptureFixture[str]) -> str:
    console = terminal()
    for part in parts:
        console.print(part)
    return capsys.readouterr().out


async def test_road_counts_what_it_measures(
    pg_bin: Path | None, load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = RoadPlan(
        count=COUNT,
        processes=(2,),
        repeat=1,
        rates=(40,),
        seconds=0.5,
        imported=200,
        rows=(),
        idle_seconds=0.5,
        pg_bin=pg_bin,
    )
    steps: list[tuple[str, int, int]] = []
    report = await road(plan, lambda *step: steps.append(step))
    assert steps[-1] == ("done", len(steps) - 1, len(steps) - 1)
    assert report["tasks"] == load.tasks_in(COUNT) > 0
    assert list(report["flow"]) == ["2 x dataflow", "1 x dataflow and relay, to RESULTS"]
    assert all(each["per_second"] > 0 and each["of_copy"] > 0 for each in report["flow"].values())
    assert all(each["cpu_us"]["flow"] > 0 for each in report["flow"].values())
    assert set(report["limits"]) == {"publish_batches", "publish_one_by_one", "pull", "copy_staged", "copy_all"}
    [still] = report["latency"]
    assert still["messages"] == 20
    assert 0 < still["frame"]["p50"] <= still["frame"]["p99"]
    assert report["import"]["imported"] == 200
    assert report["import"]["fresh"]["messages"] > 0
    assert report["idle"]["processes"] > 5
    assert report["idle"]["pss_mib"] > 50
    assert json.loads(json.dumps(report)) == report
    said = shown(road_tables(report), capsys)
    assert all(word in said for word in ("2 x dataflow", "COPY of all rows", "during an import", "idle:"))


async def test_live_finds_nothing_missed_or_doubled(pg_bin: Path | None, capsys: pytest.CaptureFixture[str]) -> None:
    report = await live(LivePlan(clients=12, per_second=40, seconds=1.0, pg_bin=pg_bin), lambda *_: None)
    assert list(report["phases"]) == ["steady", "slow readers", "disconnects", "storm"]
    for phase in report["phases"].values():
        assert (phase["missed"], phase["doubled"], phase["resync"]) == (0, 0, 0)
        assert phase["frames"] >= 12
        assert 0 < phase["p50"] <= phase["p99"]
    assert report["phases"]["steady"]["frames"] % 12 == 0
    assert report["phases"]["slow readers"]["said"].startswith("1 closed")
    assert report["memory"]["before_mib"] > 10
    assert "12 clients" in shown(live_tables(report), capsys)


async def test_rows_that_are_missing_end_a_run(servers: Servers, load: Load) -> None:
    settings = servers.database("missing")
    expects_more = replace(load, tasks=(load.tasks[0] + 1, *load.tasks[1:]))
    with pytest.raises(Miscounted, match=f"rows of tasks: {load.tasks_in(10)}, expected {load.tasks_in(10) + 1}"):
        await flow.run(servers, settings, expects_more, count=10, processes=1, tag="missing")


async def test_copy_that_loads_too_little_ends_a_run(servers: Servers, load: Load) -> None:
    settings = servers.database("whole")
    await flow.run(servers, settings, load, count=30, processes=1, tag="whole")
    transactions = limits.copied(servers, settings, limits.STAGED)
    loaded = servers.database("loaded")
    limits.copy_staged(servers, loaded, transactions, 30)
    assert servers.count(loaded, "messages") == 30
    with pytest.raises(Miscounted, match="rows of messages that COPY loaded: 60, expected 30"):
        limits.copy_in(servers, servers.database("twice", copy_of="whole"), _under_new_names(transactions), 30)


def _under_new_names(transactions: list[list[limits.Part]]) -> list[list[limits.Part]]:
    """Rows beside those that are there: only messages, each with another id and name."""
    changed = []
    for part in transactions[0]:
        if part.table == "messages":
            rows = [line.split(b"\t") for line in part.rows.splitlines()]
            for row in rows:
                row[0], row[3] = str(int(row[0]) + 10_000).encode(), row[3] + b"-again"
            changed.append(replace(part, rows=b"".join(b"\t".join(row) + b"\n" for row in rows)))
    return [changed]


async def test_filled_database_takes_further_messages(servers: Servers, load: Load) -> None:
    settings = servers.database("filled")
    await flow.run(servers, settings, load, count=40, processes=1, tag="base")
    half = "select id from messages order by id limit 20"
    [(in_half,)] = servers.rows(settings, f"select count(*) from tasks where origin in ({half})")
    filling.fill(servers, settings, 100)
    tasks = load.tasks_in(40) * 2 + in_half
    assert servers.count(settings, "tasks") == tasks
    assert servers.count(settings, "evidence") == tasks
    _, cost = await flow.run(servers, settings, load, count=20, processes=1, tag="beside")
    assert cost.report()["cpu_us"]["all"] > 0
    assert servers.count(settings, "messages") == 120


async def test_frame_that_never_comes_ends_a_measurement(servers: Servers, load: Load) -> None:
    settings = servers.database("silent")
    async with stack(servers, settings):
        first = await measure(servers, settings, load, per_second=50, tag="told", enough=lambda sent: sent >= 5)
        assert first["messages"] == 5
        # The same messages again: nothing is stored anew, so no page is told of them.
        again = measure(servers, settings, load, per_second=50, tag="told", enough=lambda sent: sent >= 5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(again, 2)
        [(count,)] = servers.rows(settings, f"select count(*) from messages where source = '{SOURCE}'")
        assert count == 5
