"""compose.yaml, the Dockerfile and what goes into the image."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy import roles
from deploy.cli.provision import SHARES, files
from deploy.local.credentials import load_or_create
from deploy.local.postgres import _SETTINGS
from tests.deploy.compose.composed import ROOT, program, resolved, secret_file, services, stack

DOCKERFILE = ROOT / "deploy/docker/Dockerfile"
PROCESSES = ("api", "inlets", "dataflow", "relay", "commands")
ONCE = {"roles", "migrate", "tools", "provision"}


def published(service: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [(port["host_ip"], port["published"], port["target"]) for port in service.get("ports", ())]


def copied() -> set[str]:
    """List what the Dockerfile takes from the folder of the project."""
    lines = re.findall(r"(?m)^COPY (?!--from)(.+)$", DOCKERFILE.read_text(encoding="utf-8"))
    return {source for line in lines for source in line.split()[:-1]}


def let_in() -> set[str]:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert next(line for line in lines if not line.startswith("#")) == "*"
    return {line.removeprefix("!") for line in lines if line.startswith("!")}


def test_services_are_those_that_were_promised() -> None:
    assert services().keys() == {"nginx", "postgres", "nats", *PROCESSES, *ONCE}


def test_each_role_is_played_by_one_service() -> None:
    played = [services()[name]["command"] for name in PROCESSES]
    assert {command[0] for command in played} == {"run"}
    assert sorted(role for command in played for role in command[1:]) == sorted(roles.NAMES)


@pytest.mark.parametrize("name", ["nginx", "postgres", "nats", "roles", "migrate", "tools", "provision", *PROCESSES])
def test_container_may_not_change_itself_nor_gain_rights(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"privileged", "cap_add", "devices", "pid"}
    # Those of ours have their user from the Dockerfile.
    assert service.get("user", "10001:10001").split(":")[0] not in ("root", "0")
    assert ("user" in service) == (service["image"] != services()["api"]["image"])


def test_database_logs_no_statement_and_no_context_as_the_embedded_one() -> None:
    given = services()["postgres"]["command"]
    told = {name: value for name, value in _SETTINGS.items() if name.startswith("log_") and name != "log_timezone"}
    assert told
    assert given == ["postgres", *(part for name, value in told.items() for part in ("-c", f"{name}={value}"))]


def test_image_is_not_run_by_root() -> None:
    assert re.findall(r"(?m)^USER (.+)$", DOCKERFILE.read_text(encoding="utf-8")) == ["10001:10001"]


def test_only_this_machine_gets_in_and_postgres_is_at_5555() -> None:
    ports = {name: published(service) for name, service in services().items() if "ports" in service}
    assert ports == {
        "nginx": [("127.0.0.1", "8080", 8080)],
        "postgres": [("127.0.0.1", "5555", 5432)],
        "nats": [("127.0.0.1", "8222", 8222)],
    }


def test_nginx_reaches_nobody_but_those_it_stands_before() -> None:
    assert {name for name, service in services().items() if "front" in service.get("networks", {})} == {
        "nginx",
        "api",
        "inlets",
    }
    assert services()["nginx"]["networks"].keys() == {"front"}


def test_what_runs_for_long_comes_back_and_tells_how_it_is() -> None:
    for name, service in services().items():
        long = name not in ONCE
        assert service["restart"] == ("unless-stopped" if long else "no"), name
        assert ("healthcheck" in service) == long, name


def test_nothing_of_ours_starts_before_streams_and_tables_are_there() -> None:
    for name in PROCESSES:
        needs = services()[name]["depends_on"]
        assert needs["migrate"]["condition"] == "service_completed_successfully"
        assert needs["nats"]["condition"] == "service_healthy"
    needs = services()["migrate"]["depends_on"]
    assert needs["roles"]["condition"] == "service_completed_successfully"
    assert needs["nats"]["condition"] == "service_healthy"
    assert services()["roles"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_data_lie_in_volumes() -> None:
    mounts = {name: service.get("volumes", []) for name, service in services().items() if name != "provision"}
    found = {name: [(each["type"], each["target"]) for each in given] for name, given in mounts.items() if given}
    assert found == {"postgres": [("volume", "/var/lib/postgresql")], "nats": [("volume", "/data")]}


def test_each_service_is_given_the_file_that_was_made_for_it(tmp_path: Path) -> None:
    made = files(load_or_create(tmp_path), raw_max_bytes=2**31)
    assert {secret_file(source) for source in stack()["secrets"]} == made.keys()
    given = {
        name: {Path(each["target"]).name: secret_file(each["source"]) for each in service.get("secrets", ())}
        for name, service in services().items()
    }
    own = {name: {"credentials": f"{name}.json"} for name in SHARES}
    token = {"token": "token"}
    assert given == {
        **own,
        "api": own["api"] | token,
        "tools": own["tools"] | token,
        "nats": {"nats.conf": "nats.conf"},
        "postgres": {"postgres": "postgres"},
        "roles": {"postgres": "postgres", "roles.sql": "roles.sql"},
        "nginx": {},
        "provision": {},
    }


def test_no_variable_holds_a_secret() -> None:
    for name, service in services().items():
        for variable, value in service.get("environment", {}).items():
            secret = re.search("PASSWORD|TOKEN|SECRET", variable) and not variable.endswith("_FILE")
            assert not secret, f"{name}: {variable}"
            assert "@" not in (value or ""), f"{name}: {variable}"


def test_names_and_port_of_the_front_can_be_chosen() -> None:
    chosen = resolved(TASKTRACKER_BIND="0.0.0.0", TASKTRACKER_HTTP_PORT="80", TASKTRACKER_HOSTS="tasks.example.org")[
        "services"
    ]
    assert published(chosen["nginx"]) == [("0.0.0.0", "80", 8080)]
    assert chosen["api"]["environment"]["TASKTRACKER_HOSTS"].split(",") == [
        "127.0.0.1",
        "localhost",
        "tasks.example.org",
    ]


def test_dockerfile_has_no_fault_that_hadolint_knows() -> None:
    answer = subprocess.run(
        [program("hadolint"), "--failure-threshold", "info", str(DOCKERFILE)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (answer.returncode, answer.stdout) == (0, "")


def test_hadolint_finds_a_fault_that_was_put_in(tmp_path: Path) -> None:
    faulty = tmp_path / "Dockerfile"
    faulty.write_text(f"{DOCKERFILE.read_text(encoding='utf-8')}\nFROM debian:latest\nRUN sudo true\n")
    command = [program("hadolint"), "--failure-threshold", "info", str(faulty)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 1
    assert "DL3007" in answer.stdout


def test_image_is_built_of_what_is_let_in_and_all_of_it_is_there() -> None:
    assert {source.split("/")[0] for source in copied()} == let_in()
    assert [source for source in copied() if not (ROOT / source).exists()] == []


def test_image_is_built_by_the_uv_and_on_a_python_that_the_project_names() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    [version] = re.findall(r"(?m)^UV_VERSION=(\S+)$", (ROOT / "run").read_text(encoding="utf-8"))
    assert f"uv=={version}\n" in text
    [python] = re.findall(r"(?m)^ARG PYTHON_VERSION=3\.(\d+)$", text)
    assert int(python) in (11, 12)
    syncs = re.findall(r"uv sync .*", text)
    assert len(syncs) == 2
    assert [sync for sync in syncs if "--locked --no-dev" not in sync] == []
