"""A Redis of its own for Celery: on the disk before it answers, as NATS here does."""

import shutil
import socket
from contextlib import suppress
from pathlib import Path

from deploy.local.process import Process, Service, free_port

HOW_TO_INSTALL = "no redis-server on the PATH; on Debian and Ubuntu: apt-get install redis-server"


def find() -> Path | None:
    """Find the server; None where it is not installed."""
    found = shutil.which("redis-server")
    return Path(found) if found else None


class Redis:
    """A redis-server on 127.0.0.1 that keeps nothing beyond its folder."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.port = free_port()
        folder.mkdir()
        service = Service(
            name="redis",
            command=(
                *(str(program), "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(folder)),
                # The same promise as NATS' sync_interval: always.
                *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
            ),
            environment={},
            ready=lambda _: self._answers(),
        )
        self._process = Process(service, folder / "redis.log")

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process.start()

    def stop(self) -> None:
        """Stop it."""
        self._process.stop()

    def ask(self, *words: str) -> str:
        """Say one command and read the one line of its answer. Source: Redis, inline commands."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as link, link.makefile("rb") as answer:
            link.sendall(f"{' '.join(words)}\r\n".encode())
            return answer.readline().decode().strip()

    def version(self) -> str:
        """Ask which one it is."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as link, link.makefile("rb") as answer:
            link.sendall(b"INFO server\r\n")
            lines = (answer.readline().decode().strip() for _ in range(12))
            return next((line.partition(":")[2] for line in lines if line.startswith("redis_version:")), "")

    def length(self, queue: str) -> int:
        """Count what waits in a queue."""
        return int(self.ask("LLEN", queue).removeprefix(":"))

    def _answers(self) -> bool:
        with suppress(OSError):
            return self.ask("PING") == "+PONG"
        return False
