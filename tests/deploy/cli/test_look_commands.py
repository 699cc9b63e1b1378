"""``status`` and ``doctor``: what runs and how it is, and what to do where nothing does."""

import json
import os
import signal
from pathlib import Path

import pytest

from deploy.local.process import free_port
from tests.deploy.cli.stacks import Up, called, cli, processes_of


def servers(house: Up) -> dict[str, str]:
    """Name the servers of a stack as an environment does that has none of its folder."""
    running = house.running
    return {
        "DATABASE_URL": running.database_url,
        "NATS_URL": running.nats_url,
        "TASKTRACKER_CREDENTIALS": str(running.credentials),
    }


def test_status_shows_servers_processes_and_what_waits(house: Up) -> None:
    seen = house.json("status")
    assert seen["wrong"] == []
    assert seen["processes"] == {"dataflow": True, "relay": True}
    assert {name: seen["health"][name]["status"] for name in ("database", "nats")} == {"database": "ok", "nats": "ok"}
    assert {"flow-live", "flow-bulk"} <= set(seen["health"]["durables"])
    assert seen["stats"] == house.api("stats")
    said = house.run("status").stdout
    assert said.startswith(f"{house.url}   api ok  database ok  nats ok  dataflow ok  relay ok")
    assert "live messages" in said
    assert "wrong" not in said


def test_status_tells_of_a_process_that_does_not_answer(house: Up) -> None:
    [relay] = [pid for pid, line in processes_of(house.folder).items() if "deploy.roles relay" in line]
    os.kill(relay, signal.SIGSTOP)
    try:
        seen = house.json("status")
    finally:
        os.kill(relay, signal.SIGCONT)
    assert seen["processes"]["relay"] is False
    [wrong] = [what for what in seen["wrong"] if what.startswith("relay does not answer")]
    assert str(house.folder / "logs") in wrong
    assert house.json("status")["wrong"] == []


def test_doctor_finds_everything_well(house: Up) -> None:
    ended = house.run("doctor")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert {line.split()[0] for line in ended.stdout.splitlines()} == {"fine"}
    assert f"{house.url}: servers, processes and durables are well" in ended.stdout
    findings = house.json("doctor")
    assert {finding["what"] for finding in findings} == {
        "python",
        "postgresql",
        "nats-server",
        "disk",
        "data folder",
        "stack",
    }


def test_doctor_tries_the_servers_that_are_given(house: Up, tmp_path: Path) -> None:
    ended = called("doctor", "--json", "--data", tmp_path, **servers(house), TASKTRACKER_PORT=str(free_port()))
    found = {finding["what"]: finding for finding in json.loads(ended.stdout)}
    assert found["database"]["fine"], found
    assert found["nats"]["fine"], found
    assert not found["stack"]["fine"]
    assert "./run up" in found["stack"]["said"]
    assert ended.returncode == 1


def test_doctor_tells_of_servers_that_are_away(tmp_path: Path) -> None:
    away = {"DATABASE_URL": f"postgresql://127.0.0.1:{free_port()}/x", "NATS_URL": f"nats://127.0.0.1:{free_port()}"}
    ended = called("doctor", "--data", tmp_path, **away)
    assert ended.returncode == 1
    assert "wrong  database      the database is away or does not let us in" in ended.stdout
    assert "wrong  nats          NATS does not answer in time" in ended.stdout
    half = called("doctor", "--data", tmp_path, NATS_URL=away["NATS_URL"])
    assert (half.returncode, "give both DATABASE_URL and NATS_URL, or neither" in half.stdout) == (1, True)


def test_doctor_is_content_where_nothing_runs_yet_and_says_how_to_start(tmp_path: Path) -> None:
    ended = cli("doctor", "--data", tmp_path / "new")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"nothing runs in {tmp_path / 'new'}; start it with `./run up --data {tmp_path / 'new'}`" in ended.stdout
    assert not (tmp_path / "new").exists()


def test_doctor_tells_of_a_missing_program_and_of_a_folder_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    ended = called("doctor", "--data", file, PG_BIN=str(tmp_path / "nowhere"))
    assert ended.returncode == 1
    assert "wrong  postgresql    PG_BIN" in ended.stdout
    assert f"wrong  data folder   {file} cannot be written: choose another with --data" in ended.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("status", "--json"),
        ("dead", "list"),
        ("dead", "requeue", "0d1f7f0c-6c0e-4f5e-9d6a-5a1b7a0f4d11"),
        ("sources", "list"),
        ("import", __file__, "--as", "jsonl"),
    ],
    ids=" ".join,
)
def test_command_where_nothing_runs_says_what_to_start(tmp_path: Path, command: tuple[str, ...]) -> None:
    ended = called(*command, "--data", tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"error: nothing runs in {tmp_path}: start it with `./run up --data {tmp_path}`")


def test_setting_that_is_wrong_is_told_by_its_name() -> None:
    ended = called("status", TASKTRACKER_PORT="many")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error: a setting is wrong: TASKTRACKER_PORT: ")
