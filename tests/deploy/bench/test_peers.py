"""The peers take part on the same terms: same packages, same rows, same results; what is missing ends their run."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from deploy.bench.counts import Miscounted
from deploy.bench.flow import Cost
from deploy.bench.load import Load, read
from deploy.bench.peers import work
from deploy.bench.peers.contest import TRIES, Contest, Plan, peers
from deploy.bench.peers.environment import PROJECT, ROOT, NotThere, find_uv, prepare, versions
from deploy.bench.peers.parties import PARTIES, Party
from deploy.bench.peers.table import peers_tables
from deploy.bench.peers.trial import HandedOutAgain, Trial
from deploy.bench.servers import Servers, opened
from deploy.cli import Told
from deploy.cli.bench import app
from deploy.cli.terminal import terminal
from deploy.settings import Settings

SHARED = ("faststream", "nats-py", "psycopg", "psycopg-pool", "pydantic", "pydantic-settings", "selectolax", "uvloop")
COUNT = 60


@pytest.fixture(scope="module")
def servers(pg_bin: Path | None) -> Iterator[Servers]:
    with opened(pg_bin=pg_bin) as made:
        yield made


@pytest.fixture(scope="module")
def load() -> Load:
    return read(None)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the environment of the peers; its packages come from the registry, or from the cache of uv."""
    return asyncio.run(prepare(tmp_path_factory.mktemp("peers") / "venv"))


def party(name: str) -> Party:
    return next(each for each in PARTIES if each.name == name)


def locked(project: Path) -> bool:
    command = [str(find_uv()), "lock", "--check", "--quiet", "--project", str(project)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_lock_of_the_peers_fits_its_project(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(PROJECT / name, tmp_path)
    assert locked(tmp_path)
    project = tmp_path / "pyproject.toml"
    project.write_text(project.read_text().replace('"taskiq==', '"taskiq!='))
    assert not locked(tmp_path)


def test_packages_that_we_share_have_the_versions_of_our_own_lock() -> None:
    ours, theirs = versions(ROOT / "uv.lock"), versions()
    assert {name: theirs[name] for name in SHARED} == {name: ours[name] for name in SHARED}


def test_programs_of_the_peers_compile() -> None:
    programs = sorted(PROJECT.glob("*.py"))
    assert len(programs) > 5
    for program in programs:
        compile(program.read_text(encoding="utf-8"), program.name, "exec")


def test_result_is_written_for_each_event_of_the_store(load: Load) -> None:
    count = len(load.lines)
    bodies = [message.model_dump_json() for message in load.raw(count, tag="x")]
    results = work.results(work.read(bodies))
    assert len(results) == count + load.tasks_in(count)
    assert len({result.headers["Nats-Msg-Id"] for result in results}) == len(results)
    created = [result for result in results if result.subject == "results.default.task.created"]
    assert len(created) == load.tasks_in(count) > 0


def test_stranger_is_told_who_takes_part() -> None:
    with pytest.raises(Told, match=r"nobody is called sidekiq; there are ours, taskiq-pull"):
        app(["peers", "--only", "ours,sidekiq"], standalone_mode=False)


async def test_celery_alone_without_redis_is_told_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotThere, match="apt-get install redis-server"):
        await peers(Plan(only=("celery",)), lambda *_: None)


def test_table_says_who_was_left_out_and_how_much_faster_we_are(capsys: pytest.CaptureFixture[str]) -> None:
    figures: dict[str, Any] = {"processes": 1, "lowest": 90.0, "highest": 1200.0, "cpu_us": {"workers": 480.0}}
    report = {
        "machine": {
            "cores": 2,
            "processor": "x",
            "load": 1.0,
            "python": "3",
            "postgresql": "18",
            "nats-server": "2",
            "bytewax": "0",
        },
        "versions": {"taskiq": "0.13.0"},
        "load": {"lowest": 0.5, "median": 1.0, "highest": 2.5},
        "messages": 5000,
        "tasks": 2500,
        "rounds": 5,
        "parties": [
            {"name": "ours", "title": "ours", "per_second": 1200.0, "ours_is_times": 1.0} | figures,
            {"name": "taskiq-pull", "title": "TaskIQ", "per_second": 100.0, "ours_is_times": 12.0} | figures,
        ],
        "left_out": {"celery": "no redis-server"},
        "repeated": {"TaskIQ": 2},
    }
    for part in peers_tables(report):
        terminal().print(part)
    said = capsys.readouterr().out
    assert "12.0 x" in said
    assert "1.0 x" not in said.replace("12.0 x", "")
    assert "handed out again: TaskIQ, 2 x" in said
    assert "left out: celery: no redis-server" in said
    assert "load 0.5 to 2.5 meanwhile" in said


@pytest.mark.stack
@pytest.mark.parametrize(("name", "processes"), [("taskiq-push", 1), ("taskiq-tuned", 2), ("faststream-single", 1)])
async def test_peer_writes_the_rows_and_results_that_we_do(
    servers: Servers, load: Load, python: Path, name: str, processes: int
) -> None:
    settings = servers.database(name.replace("-", "_"))
    cost = await Trial(servers, load, python, None).run(party(name), settings, count=COUNT, processes=processes)
    assert cost.report()["per_second"] > 0
    assert cost.cpu["workers"] > 0
    assert servers.count(settings, "messages") == COUNT
    assert servers.count(settings, "tasks") == load.tasks_in(COUNT)


@pytest.mark.stack
async def test_task_that_is_missing_ends_the_run_of_a_peer(servers: Servers, load: Load, python: Path) -> None:
    expects_more = replace(load, tasks=(load.tasks[0] + 1, *load.tasks[1:]))
    there = 10 + load.tasks_in(10)
    with pytest.raises(Miscounted, match=f"results: {there}, expected {there + 1}"):
        await Trial(servers, expects_more, python, None).run(
            party("faststream-batch"), servers.database("short"), count=10, processes=1
        )


@pytest.mark.stack
async def test_message_that_fails_ends_the_run_of_a_peer(servers: Servers, load: Load, python: Path) -> None:
    settings = servers.database("refusing")
    with psycopg.connect(servers.address(settings)) as conn:
        conn.execute("alter table verdicts add constraint none_is_taken check (false)")
    with pytest.raises(Miscounted, match="messages handed out again"):
        await Trial(servers, load, python, None).run(party("faststream-batch"), settings, count=10, processes=1)


class Forgetful(Trial):
    """A trial whose first runs are disturbed, as many as messages are asked for."""

    async def run(self, party: Party, settings: Settings, *, count: int, processes: int) -> Cost:
        """Remember the runs by their databases: each is a new one."""
        assert self.servers.count(settings, "messages") == 0
        seen.append(settings)
        if len(seen) <= count:
            raise HandedOutAgain("messages handed out again: 1")
        return Cost(count, 1.0)


seen: list[Settings] = []


@pytest.mark.stack
async def test_disturbed_run_is_repeated_and_told_but_not_for_ever(servers: Servers, load: Load) -> None:
    def contest(disturbed: int) -> Contest:
        seen.clear()
        return Contest(Plan(count=disturbed), servers, load, Forgetful(servers, load, Path(), None), {})

    repeating = contest(TRIES - 1)
    await repeating.run(party("taskiq-tuned"), 1)
    assert repeating.repeated == {"TaskIQ, tuned": TRIES - 1}
    assert len(repeating.found["taskiq-tuned", 1]) == 1
    with pytest.raises(HandedOutAgain):
        await contest(TRIES).run(party("taskiq-tuned"), 1)
