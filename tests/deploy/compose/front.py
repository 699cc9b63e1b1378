"""The services of compose.yaml as processes of this machine, against real servers, with a real nginx before them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg import sql

from deploy.cli.provision import provision
from deploy.local.binaries import find_postgres
from deploy.local.credentials import POSTGRES_ROLES, Credentials, load_or_create
from deploy.local.nats import Nats
from deploy.local.postgres import DATABASE, SUPERUSER, Postgres
from deploy.local.process import Process, Service, free_port, unprivileged_user
from tests.deploy.compose.composed import ROOT, nginx_conf, program, secret_file, services
from tests.waiting import until

PROCESSES = ("api", "inlets", "dataflow", "relay", "commands")


class _Configured(Nats):
    """A nats-server with the configuration that ``provision`` wrote, but for its ports and folders."""

    def __init__(self, folder: Path, credentials: Credentials, written: Path) -> None:
        self._written: dict[str, Any] = json.loads(written.read_bytes())
        super().__init__(folder, credentials)

    def _configure(self) -> dict[str, Any]:
        here = super()._configure()
        places = {name: here[name] for name in ("server_name", "listen", "http", "pid_file")}
        store = {"store_dir": here["jetstream"]["store_dir"]}
        return self._written | places | {"jetstream": self._written["jetstream"] | store}


class Front:
    """All of it in one folder, started in the order of compose.yaml."""

    def __init__(self, folder: Path, pg_bin: Path | None) -> None:
        self._folder = folder
        self._nginx = program("nginx")
        self._psql = find_postgres(pg_bin, None).directory
        provision(folder / "compose")
        self._secrets = folder / "compose/secrets"
        credentials = load_or_create(folder / "compose")
        self.token = credentials.token
        self.postgres = Postgres(folder, credentials, pg_bin=pg_bin)
        self.nats = _Configured(folder, credentials, self._secrets / "nats.conf")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._ports = {name: free_port() for name in ("api", "inlets")}
        self._metrics_ports = {name: free_port() for name in PROCESSES}
        self.processes: dict[str, Process] = {}

    def open(self) -> None:
        """Start everything and wait until the api serves through nginx."""
        self.postgres.start()
        self.nats.start()
        self._forget_roles()
        self._once(["sh", "-euc", self._roles_command()], {"PATH": f"{self._psql}:{os.defpath}"})
        self._once(self._command("migrate"), self.environment("migrate"))
        for name in PROCESSES:
            self._start(
                Service(
                    name=name,
                    command=tuple(self._command(name)),
                    environment=self.environment(name),
                    directory=ROOT,
                    grace_seconds=10.0,
                )
            )
        self._start(self._door())
        asyncio.run(until(self.serves, seconds=40, what="the api behind nginx"))

    def close(self) -> None:
        """Stop everything."""
        for process in reversed(self.processes.values()):
            process.stop()
        self.nats.stop()
        self.postgres.stop()

    async def serves(self) -> bool:
        """Tell whether the api serves through nginx."""
        with suppress(httpx.HTTPError):
            async with httpx.AsyncClient() as client:
                return (await client.get(f"{self.url}/api/health/ready")).is_success
        return False

    def log(self, name: str) -> str:
        """Read what a process has said so far."""
        return (self._folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def environment(self, name: str) -> dict[str, str]:
        """Give a service's variables, with the addresses and folders of this machine in place of the container's."""
        service = services()[name]
        [credentials] = [each["source"] for each in service["secrets"] if Path(each["target"]).name == "credentials"]
        here = {
            "postgresql://postgres:5432/tasktracker": f"postgresql://127.0.0.1:{self.postgres.port}/tasktracker",
            "nats://nats:4222": f"nats://127.0.0.1:{self.nats.port}",
            "/run/secrets/credentials": str(self._secrets / secret_file(credentials)),
            "/run/secrets": str(self._secrets),
            "0.0.0.0": "127.0.0.1",
            "9100": str(self._metrics_ports.get(name)),
        }
        said = {variable: here.get(value, value) for variable, value in service["environment"].items()}
        nothing = {"TASKTRACKER_DATA": str(self._folder / "nothing")}  # as in a container: no stack of a folder
        return nothing | said | {"TASKTRACKER_PORT": str(self._ports.get(name, self._ports["api"]))}

    def tool(self, *arguments: object) -> str:
        """Run a verb as the service ``tools`` does."""
        shell, options, script, name = services()["tools"]["entrypoint"]
        here = {
            "$$": "$",
            "/run/secrets/": f"{self._secrets}/",
            "exec tasktracker ": f"exec {sys.executable} -m deploy.cli ",
        }
        command = [shell, options, _replaced(script, here), name, *map(str, arguments)]
        return self._once(command, {"PATH": os.defpath} | self.environment("tools"))

    def healthy(self, name: str) -> bool:
        """Ask a process as its container's health check does."""
        kind, _, *command = services()[name]["healthcheck"]["test"]
        assert (kind, command[2]) == ("CMD", "/opt/healthy.py")
        place = {":8000/": f":{self._ports.get(name)}/", ":9100/": f":{self._metrics_ports[name]}/"}
        for there, port in place.items():
            command[3] = command[3].replace(there, port)
        script = str(ROOT / "deploy/docker/healthy.py")
        asked = [sys.executable, *command[:2], script, *command[3:]]
        return subprocess.run(asked, timeout=10, check=False, capture_output=True).returncode == 0

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database as the role that reads."""
        url = self.postgres.url("tasktracker_read")
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
            return await (await conn.execute(query.encode())).fetchall()

    def _forget_roles(self) -> None:
        """Leave what the image of PostgreSQL makes: an empty database, and nobody but its superuser."""
        with psycopg.connect(self.postgres.url(SUPERUSER, "postgres"), autocommit=True) as conn:
            conn.execute(sql.SQL("drop database {}").format(sql.Identifier(DATABASE)))
            for role in POSTGRES_ROLES:
                if role != SUPERUSER:
                    conn.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))
            conn.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))

    def _roles_command(self) -> str:
        [said] = services()["roles"]["command"]
        here = {
            "$$": "$",
            "-h postgres ": f"-h 127.0.0.1 -p {self.postgres.port} ",
            "/run/secrets/": f"{self._secrets}/",
        }
        return _replaced(said, here)

    def _command(self, name: str) -> list[str]:
        return [sys.executable, "-m", "deploy.cli", *services()[name]["command"]]

    def _door(self) -> Service:
        """Describe nginx, which is not root in its container either."""
        folder, user = self._folder / "nginx", unprivileged_user()
        folder.mkdir()
        places = {name: f"127.0.0.1:{port}" for name, port in self._ports.items()}
        (folder / "nginx.conf").write_text(nginx_conf(folder, port=self.port, **places), encoding="utf-8")
        if user:
            os.chown(folder, user.uid, user.gid)
        command = [*services()["nginx"]["entrypoint"], *services()["nginx"]["command"]]
        assert command == ["nginx", "-e", "stderr", "-c", "/etc/nginx/nginx.conf"]
        return Service(
            name="nginx",
            command=(self._nginx, "-e", "stderr", "-c", str(folder / "nginx.conf")),
            environment={},
            user=user,
        )

    def _start(self, service: Service) -> None:
        self.processes[service.name] = Process(service, self._folder / f"{service.name}.log")
        self.processes[service.name].start()

    def _once(self, command: Sequence[str], environment: Mapping[str, str]) -> str:
        ended = subprocess.run(
            command, env=dict(environment), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout


def _replaced(text: str, places: Mapping[str, str]) -> str:
    for there, here in places.items():
        assert there in text
        text = text.replace(there, here)
    return text
