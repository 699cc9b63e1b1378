"""``bench faults``: what holds is told, what does not hold is found out, named and kept."""

import json
import shutil
from pathlib import Path

import pytest

from deploy.bench.faults.run import Plan, faults
from deploy.bench.table import faults_tables
from deploy.cli import Told
from deploy.cli.bench import app
from deploy.cli.terminal import terminal
from tests.faults.mutants import mutant

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]


def shown(report: dict[str, object], capsys: pytest.CaptureFixture[str]) -> str:
    for part in faults_tables(report):
        terminal().print(part)
    return " ".join(capsys.readouterr().out.split())


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_faults_that_do_no_harm_are_counted_and_nothing_is_left(
    tmp_path: Path, pg_bin: Path | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    steps: list[str] = []
    plan = Plan(minutes=0.15, seed=4, only=("kill-dataflow", "cut-nats", "half-close-api"), pg_bin=pg_bin)
    report = await faults(plan, lambda name, *_: steps.append(name))
    assert report["wrong"] == []
    assert report["acknowledged"] > 100
    assert set(steps) - {"the books", "done"} == set(report["faults"])
    assert f"seed 4: {len(report['order'])} faults" in shown(json.loads(json.dumps(report)), capsys)
    assert left_in(tmp_path) == []


async def test_flow_that_loses_is_found_out_and_its_folder_is_kept(
    pg_bin: Path | None, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Plan(minutes=0.2, seed=1, only=("kill-dataflow",), commands=mutant("acks-first", "dataflow"), pg_bin=pg_bin)
    report = await faults(plan, lambda *_: None)
    kept = Path(report["kept"])
    try:
        assert (kept / "dataflow.log").is_file()
        assert report["lost"] > 0
        assert f"WRONG: {report['lost']} lost" in shown(report, capsys)
    finally:
        shutil.rmtree(kept)


def test_fault_that_is_none_is_told_with_those_that_are() -> None:
    with pytest.raises(Told, match=r"no fault nonsense here; there are .*kill-dataflow"):
        app(["faults", "--only", "nonsense"], standalone_mode=False)
