"""What a service of the stack is, and how one is run as our own child."""

import os
import pwd
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_TETHER = Path(__file__).with_name("tether.py")
# Below the ports that Linux gives to outgoing connections: a client that keeps dialling a port of that range while the
# server is away ends up connected to itself, and the server can never have its port back.
_PORTS = range(20_000, 30_000)


class StackError(Exception):
    """The embedded stack cannot run; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class User:
    """Another user of this machine, by id."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A program that the stack runs, and how to tell that it serves.

    ``environment`` is all that the program sees. ``prepare`` runs before each start, ``ready`` is asked with the pid
    until it says True; both are plain functions that block for a few seconds at most, and may raise StackError.
    ``stop_signals`` are tried in turn, the first for ``grace_seconds``. ``death_signal`` is what the kernel sends when
    the starter is gone. ``user`` None: the starter's own.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    prepare: Callable[[], None] | None = None
    ready: Callable[[int], bool] | None = None
    needs: tuple[str, ...] = ()
    stop_signals: tuple[signal.Signals, ...] = (signal.SIGTERM,)
    grace_seconds: float = 5.0
    death_signal: signal.Signals = signal.SIGKILL
    ready_seconds: float = 60.0
    user: User | None = None
    directory: Path = Path("/")

    def popen_arguments(self) -> tuple[list[str], dict[str, Any]]:
        """Build what Popen and create_subprocess_exec take: the command line and the keywords.

        To be used from the main thread only: the death signal comes when the *thread* that forked ends.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(f"{self.name} must be started from the main thread")
        uid, gid = (self.user.uid, self.user.gid) if self.user else (-1, -1)
        tether = [os.getpid(), int(self.death_signal), uid, gid]
        command = [sys.executable, "-I", "-S", str(_TETHER), *map(str, tether), *self.command]
        return command, {
            "env": dict(self.environment),
            "cwd": self.directory,
            "stdin": subprocess.DEVNULL,
            "stderr": subprocess.STDOUT,
            "start_new_session": True,
        }


class Process:
    """A service run without a supervisor: started and stopped by its owner; its output goes to ``log``."""

    def __init__(self, service: Service, log: Path) -> None:
        self.service = service
        self._log = log
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id; None while it does not run."""
        return self._popen.pid if self._popen and self._popen.poll() is None else None

    def start(self, *, attempts: int = 3) -> None:
        """Start and wait until it serves; raise StackError with its last lines when it does not.

        It is tried again when it ends early: what a killed predecessor left may need a moment to go away.
        """
        for attempt in range(1, attempts + 1):
            if self.service.prepare:
                self.service.prepare()
            command, keywords = self.service.popen_arguments()
            with self._log.open("ab") as output:
                self._popen = subprocess.Popen(command, stdout=output, **keywords)
            if self._serves(self._popen):
                return
            self.stop()
            time.sleep(0.2 * attempt)
        raise StackError(f"{self.service.name} does not start; the last lines of {self._log}:\n{self._last_lines()}")

    def stop(self) -> int | None:
        """Stop it, by force in the end; return its exit code, None when it was never started."""
        popen = self._popen
        if popen is None:
            return None
        wait = self.service.grace_seconds
        for number in (*self.service.stop_signals, signal.SIGKILL):
            if popen.poll() is None:
                popen.send_signal(number)
            try:
                return popen.wait(wait)
            except subprocess.TimeoutExpired:
                wait = 3.0
        raise StackError(f"{self.service.name} (process {popen.pid}) does not end, even when killed")

    def kill(self) -> None:
        """End it without any warning, as a crash would."""
        if self._popen:
            self._popen.kill()
            self._popen.wait(10)

    def _serves(self, popen: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + self.service.ready_seconds
        try:
            while popen.poll() is None and time.monotonic() < deadline:
                if self.service.ready is None or self.service.ready(popen.pid):
                    return True
                time.sleep(0.02)
        except BaseException:
            self.stop()
            raise
        return False

    def _last_lines(self) -> str:
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])


def free_port() -> int:
    """Pick a port of 127.0.0.1 that nobody listens on, and that nobody else is given for the next minute.

    Whoever is to listen on it starts only later. A connection that this side closes first leaves the port in the
    kernel's TIME_WAIT: servers, which set SO_REUSEADDR, may take it, and a bind without that, as ours here, may not.
    """
    for _ in range(200):
        with socket.socket() as listener, socket.socket() as visitor:
            try:
                listener.bind(("127.0.0.1", secrets.choice(_PORTS)))
            except OSError:
                continue
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.listen(1)
            visitor.connect(listener.getsockname())
            accepted, _ = listener.accept()
            accepted.close()
            port: int = listener.getsockname()[1]
            return port
    raise StackError("no free port was found between 20000 and 29999 on 127.0.0.1")


def unprivileged_user() -> User | None:
    """Pick whom a server that refuses to run as root runs as; None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return User(name, entry.pw_uid, entry.pw_gid)
    raise StackError("PostgreSQL refuses to run as root, and neither user postgres nor user nobody exists: create one")


def occupant(pid_file: Path, argument: str) -> int | None:
    """Tell which living process, started with ``argument``, wrote ``pid_file``; None when none did.

    A recycled pid is not mistaken for it. Without /proc the answer is always None.
    """
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (OSError, ValueError):
        return None
    return pid if argument in arguments else None


def await_vacancy(pid_file: Path, argument: str, *, patience_seconds: float = 5.0) -> None:
    """Wait for a predecessor that is just shutting down; raise StackError when it stays."""
    deadline = time.monotonic() + patience_seconds
    while (pid := occupant(pid_file, argument)) is not None:
        if time.monotonic() > deadline:
            raise StackError(
                f"{argument} is in use by process {pid}: stop that one (kill {pid}), or choose another data folder"
            )
        time.sleep(0.05)
