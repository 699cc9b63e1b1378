"""PostgreSQL, NATS and processes of ours under the supervisor: what is left when it ends, however it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the kernel's death signal is Linux's"),
]

# A stack with one deaf process of ours and one that changed its user. Beside it a process that is not tethered: the
# control, which shows that whatever is started in the ordinary way does outlive a killed parent.
_STACK = """
import subprocess, sys
from pathlib import Path
import anyio
from deploy.local.credentials import load_or_create
from deploy.local.journal import Journal
from deploy.local.lock import hold
from deploy.local.nats import Nats
from deploy.local.postgres import Postgres
from deploy.local.process import Service, unprivileged_user
from deploy.local.supervisor import Supervisor

DEAF = '''
import signal
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
while True:
    signal.pause()
'''
def became(pid: int) -> bool:
    return b"tether" not in Path(f"/proc/{pid}/cmdline").read_bytes()

folder = Path(sys.argv[1])
pg_bin = Path(sys.argv[2]) if sys.argv[2] else None
credentials = load_or_create(folder)
servers = [Postgres(folder, credentials, pg_bin=pg_bin).service, Nats(folder, credentials).service]
needs = ("postgres", "nats")
more = {"environment": {}, "needs": needs, "grace_seconds": 1, "ready": became}
deaf = Service(name="deaf", command=(sys.executable, "-c", DEAF), **more)
other = Service(name="other", command=("/bin/sleep", "600"), user=unprivileged_user(), **more)
untethered = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True, stdout=subprocess.DEVNULL)

async def told() -> None:
    print(untethered.pid, flush=True)

with hold(folder):
    anyio.run(Supervisor([*servers, deaf, other], Journal(folder / "logs")).run, told)
"""


class Running:
    """A stack in a process of its own, ready, with all that descends from it."""

    def __init__(self, folder: Path, pg_bin: Path | None) -> None:
        command = [sys.executable, "-c", _STACK, str(folder), str(pg_bin or "")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        assert self.process.stdout
        self.untethered = int(self.process.stdout.readline() or "0")
        assert self.untethered, (folder / "logs/stack.log").read_text()
        self.tethered = _descendants(self.process.pid) - {_identity(self.untethered)}

    def end(self) -> None:
        for pid, _ in {identity for identity in self.tethered if _lives(identity)}:
            with suppress(ProcessLookupError):  # it may end between the look and the kill
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait(10)
        assert self.process.stdout
        self.process.stdout.close()
        with suppress(ProcessLookupError):
            os.kill(self.untethered, signal.SIGKILL)


@pytest.fixture
def running(stack_folder: Path, pg_bin: Path | None) -> Iterator[Running]:
    started = Running(stack_folder, pg_bin)
    yield started
    started.end()


def test_killed_supervisor_leaves_no_process(running: Running) -> None:
    names = {_name(pid) for pid, _ in running.tethered}
    assert {"postgres", "nats-server", "sleep"} <= names
    assert len(running.tethered) >= 8
    running.process.kill()
    running.process.wait(10)
    assert _left_after(running.tethered, seconds=10) == set()
    assert _lives(_identity(running.untethered))


def test_terminated_supervisor_stops_all_within_ten_seconds(running: Running) -> None:
    began = time.monotonic()
    running.process.terminate()
    assert running.process.wait(10) == 0
    assert time.monotonic() - began < 10
    assert _left_after(running.tethered, seconds=0) == set()


def test_stack_starts_again_at_once_after_its_supervisor_was_killed(
    running: Running, stack_folder: Path, pg_bin: Path | None
) -> None:
    running.process.kill()
    running.process.wait(10)
    again = Running(stack_folder, pg_bin)
    again.end()


def test_two_stacks_run_at_once_and_end_apart(running: Running, stack_folder: Path, pg_bin: Path | None) -> None:
    other = Running(stack_folder / "other", pg_bin)
    try:
        running.process.terminate()
        assert running.process.wait(10) == 0
        assert all(_lives(identity) for identity in other.tethered)
    finally:
        other.end()


Identity = tuple[int, str]
"""A pid and when it started, as pids are used again."""


def _stat(pid: int) -> list[str]:
    """Read what follows the name in /proc/<pid>/stat: state, parent, ..."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _identity(pid: int) -> Identity:
    return pid, _stat(pid)[19]


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")[0]


def _lives(identity: Identity) -> bool:
    try:
        fields = _stat(identity[0])
    except (FileNotFoundError, ProcessLookupError):
        return False
    # A zombie is dead: it only waits for whoever adopted it to look.
    return fields[19] == identity[1] and fields[0] != "Z"


def _descendants(pid: int) -> set[Identity]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                parents[int(entry.name)] = int(_stat(int(entry.name))[1])
    found, latest = set(), {pid}
    while latest:
        latest = {child for child, parent in parents.items() if parent in latest}
        found |= latest
    return {_identity(child) for child in found}


def _left_after(identities: set[Identity], *, seconds: float) -> set[Identity]:
    deadline = time.monotonic() + seconds
    while (left := {identity for identity in identities if _lives(identity)}) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left
