"""The embedded NATS: its configuration, its process, its users."""

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deploy.local.binaries import find_nats
from deploy.local.credentials import Credentials, write_private
from deploy.local.permissions import PERMISSIONS, inbox_prefix
from deploy.local.process import Process, Service, StackError, await_vacancy, free_port

MAX_FILE = 4 * 1024**3
_MAX_MEMORY = 64 * 1024**2
_MAX_PAYLOAD = 1024**2


class Nats:
    """A nats-server of this stack alone, on 127.0.0.1, with JetStream and a user a role.

    ``durable``: a message is on the disk before it is acknowledged. ``max_file``: bytes that all streams together may
    take. ``service`` is for a supervisor; ``start`` and ``stop`` run it directly. The ports stay the same for this
    object, so that clients find a restarted server again.
    """

    def __init__(
        self, directory: Path, credentials: Credentials, *, durable: bool = True, max_file: int = MAX_FILE
    ) -> None:
        self._home = directory.resolve() / "nats"
        self._credentials = credentials
        self._durable = durable
        self._max_file = max_file
        self.port = free_port()
        self.monitoring_port = free_port()
        self._name = f"tasktracker-{self.port}-{self.monitoring_port}"
        self._configuration = self._home / "nats.conf"
        self.service = Service(
            name="nats",
            command=(str(find_nats()), "-c", str(self._configuration)),
            environment={},
            prepare=self._prepare,
            ready=self._ready,
            grace_seconds=3.0,
            death_signal=signal.SIGTERM,
        )
        self._process = Process(self.service, directory / "nats.log")

    @property
    def pid(self) -> int | None:
        """The server's process id; None unless it runs through ``start``."""
        return self._process.pid

    @property
    def monitoring_url(self) -> str:
        """The address of the server's own figures (``/jsz``, ``/varz``); it needs no password."""
        return f"http://127.0.0.1:{self.monitoring_port}"

    def start(self) -> None:
        """Start it and wait until JetStream serves; raise StackError when it cannot."""
        self._process.start()

    def stop(self) -> None:
        """Shut it down."""
        self._process.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()

    def url(self, user: str) -> str:
        """Write the address for a user; it holds the password. Its inbox is ``permissions.inbox_prefix(user)``."""
        return f"nats://{quote(user, safe='')}:{quote(self._credentials.nats[user], safe='')}@127.0.0.1:{self.port}"

    def _prepare(self) -> None:
        # Two servers on one store would damage it, and nats-server itself does not look.
        await_vacancy(self._home / "nats.pid", str(self._configuration))
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._configuration, json.dumps(self._configure(), indent=2))

    def _configure(self) -> dict[str, Any]:
        written = configuration(
            self._credentials,
            name=self._name,
            address=f"127.0.0.1:{self.port}",
            monitoring=f"127.0.0.1:{self.monitoring_port}",
            store=self._home,
            durable=self._durable,
            max_file=self._max_file,
        )
        return written | {"pid_file": str(self._home / "nats.pid")}

    def _ready(self, pid: int) -> bool:  # noqa: ARG002
        # By its name: another server may have taken the port in between.
        if self._ask("varz").get("server_name") != self._name or self._ask("healthz").get("status") != "ok":
            return False
        if self._durable:
            refuse_late_sync(self._ask("jsz?config=true"))
        return True

    def _ask(self, what: str) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"{self.monitoring_url}/{what}", timeout=2) as answer:  # noqa: S310
                found: dict[str, Any] = json.load(answer)
                return found
        except (OSError, ValueError, urllib.error.URLError):
            return {}


def configuration(
    credentials: Credentials,
    *,
    name: str,
    address: str,
    monitoring: str,
    store: Path,
    durable: bool = True,
    max_file: int = MAX_FILE,
) -> dict[str, Any]:
    """Write a server's configuration, a user for each kind of work; NATS reads JSON as well as its own format."""
    users = [
        {
            "user": user,
            "password": credentials.nats[user],
            "permissions": {
                "publish": list(grant.publish),
                "subscribe": [*grant.subscribe, f"{inbox_prefix(user)}.>"],
            },
        }
        for user, grant in PERMISSIONS.items()
    ]
    kept: dict[str, Any] = {"store_dir": str(store), "max_mem": _MAX_MEMORY, "max_file": max_file}
    if durable:
        kept["sync_interval"] = "always"
    return {
        "server_name": name,
        "listen": address,
        "http": monitoring,
        "max_payload": _MAX_PAYLOAD,
        "jetstream": kept,
        "authorization": {"users": users},
    }


def refuse_late_sync(jsz: Mapping[str, Any]) -> None:
    """Raise StackError unless the server writes to the disk before it acknowledges, going by its own ``/jsz``."""
    if not jsz.get("config", {}).get("sync_always", False):
        raise StackError(
            "this nats-server acknowledges before it writes to the disk (sync_interval: always is not in force): use "
            "the nats-server that comes with Task Tracker (2.12 or newer)"
        )
