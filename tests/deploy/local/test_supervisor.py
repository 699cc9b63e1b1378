"""Started in order, restarted, stopped in reverse order: with small programs as services."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Event

import anyio
import pytest

from deploy.local.journal import Journal
from deploy.local.process import Service, StackError
from deploy.local.supervisor import Patience, Supervisor
from tests.waiting import until

_HASTE = Patience(first_delay=0.02, failures=3)

# Notes its start and its orderly end in a file that all share.
_FAITHFUL = """
import signal, sys
name, path = sys.argv[1:]
def note(what):
    with open(path, "a") as file:
        file.write(f"{what} {name}\\n")
def end(*_):
    note("end")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
note("start")
print("hello from", name, flush=True)
while True:
    signal.pause()
"""
_STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile 1: signal.pause()"
)


class Notes:
    """The file that the services write to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    def faithful(self, name: str, *, needs: tuple[str, ...] = (), grace_seconds: float = 5.0) -> Service:
        """Describe a service that serves as soon as it has noted its start."""
        return Service(
            name=name,
            command=(sys.executable, "-I", "-c", _FAITHFUL, name, str(self.path)),
            environment={},
            needs=needs,
            ready=lambda _: f"start {name}" in self.lines,
            grace_seconds=grace_seconds,
        )


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "logs")


def _program(name: str, code: str, **more: object) -> Service:
    return Service(name=name, command=(sys.executable, "-I", "-c", code), environment={}, **more)  # type: ignore[arg-type]


async def test_services_start_after_what_they_need_and_stop_before_it(notes: Notes, journal: Journal) -> None:
    services = [
        notes.faithful("web", needs=("relay", "store")),
        notes.faithful("relay", needs=("store",)),
        notes.faithful("store"),
    ]
    supervisor = Supervisor(services, journal)

    async def on_ready() -> None:
        supervisor.stop()

    await supervisor.run(on_ready)
    assert notes.lines == ["start store", "start relay", "start web", "end web", "end relay", "end store"]
    assert supervisor.restarts == {"web": 0, "relay": 0, "store": 0}


async def test_nothing_starts_before_what_it_needs_serves(notes: Notes, journal: Journal) -> None:
    seen: list[list[str]] = []

    def ready(_: int) -> bool:
        seen.append(notes.lines)
        return len(seen) == 4

    slow = _program("slow", _STUBBORN, ready=ready, stop_signals=(signal.SIGKILL,))
    supervisor = Supervisor([notes.faithful("later", needs=("slow",)), slow], journal)

    async def on_ready() -> None:
        supervisor.stop()

    await supervisor.run(on_ready)
    assert seen == [[]] * 4
    assert notes.lines == ["start later", "end later"]


async def test_killed_service_is_started_again_and_others_stay(notes: Notes, journal: Journal) -> None:
    supervisor = Supervisor([notes.faithful("one"), notes.faithful("two")], journal, patience=_HASTE)

    async def on_ready() -> None:
        pid = supervisor.pid("one")
        assert pid
        os.kill(pid, signal.SIGKILL)
        await until(lambda: notes.lines.count("start one") == 2)
        supervisor.stop()

    await supervisor.run(on_ready)
    assert supervisor.restarts == {"one": 1, "two": 0}
    assert "ended by SIGKILL; it is started again in" in (journal.directory / "one.log").read_text()
    assert notes.lines.count("start two") == 1


async def test_service_that_keeps_failing_ends_the_stack_with_its_last_words(notes: Notes, journal: Journal) -> None:
    failing = _program("failing", "import sys; print('no such table'); sys.exit(3)")
    supervisor = Supervisor([notes.faithful("store"), failing], journal, patience=_HASTE)
    with pytest.raises(StackError, match=r"(?s)failing ended 4 times in a row.*exit code 3.*no such table"):
        await supervisor.run()
    assert supervisor.restarts["failing"] == 3
    assert supervisor.pid("store") is None


async def test_restarts_come_slower_and_slower(notes: Notes, journal: Journal) -> None:
    clock = f"import time; open({str(notes.path)!r}, 'a').write(f'{{time.monotonic()}}\\n')"
    patience = Patience(first_delay=0.1, failures=3)
    with pytest.raises(StackError):
        await Supervisor([_program("failing", clock)], journal, patience=patience).run()
    starts = [float(line) for line in notes.lines]
    gaps = [after - before for before, after in pairwise(starts)]
    # 0.1, 0.2, 0.4 seconds, each shortened by a fifth at most.
    assert [gap > least for gap, least in zip(gaps, (0.08, 0.16, 0.32), strict=True)] == [True] * 3


async def test_failures_are_forgiven_after_a_steady_while(journal: Journal) -> None:
    patience = Patience(first_delay=0.01, failures=1, steady=0.0)
    supervisor = Supervisor([_program("passing", "pass")], journal, patience=patience)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.run)
        await until(lambda: supervisor.restarts["passing"] > 3)
        supervisor.stop()


async def test_service_that_does_not_serve_in_time_is_ended(journal: Journal) -> None:
    mute = _program("mute", _STUBBORN, ready=lambda _: False, ready_seconds=0.2)
    with pytest.raises(StackError, match=r"(?s)mute ended 2 times in a row.*does not serve"):
        await Supervisor([mute], journal, patience=Patience(first_delay=0.01, failures=1)).run()


async def test_what_cannot_be_mended_is_not_tried_again(journal: Journal) -> None:
    def prepare() -> None:
        raise StackError("made by PostgreSQL 14")

    supervisor = Supervisor([_program("refused", _STUBBORN, prepare=prepare)], journal)
    with pytest.raises(StackError, match="made by PostgreSQL 14"):
        await supervisor.run()
    assert supervisor.restarts == {"refused": 0}


async def test_error_after_the_start_stops_all_and_is_raised(notes: Notes, journal: Journal) -> None:
    async def on_ready() -> None:
        raise LookupError("no such source")

    with pytest.raises(LookupError, match="no such source"):
        await Supervisor([notes.faithful("store")], journal).run(on_ready)
    assert notes.lines == ["start store", "end store"]


async def test_what_fails_because_all_is_being_stopped_is_no_failure(notes: Notes, journal: Journal) -> None:
    looking, stopped = Event(), Event()

    def ready(_: int) -> bool:
        looking.set()
        stopped.wait(10)
        raise OSError("the server has gone")

    supervisor = Supervisor([replace(notes.faithful("store"), ready=ready)], journal)
    running = asyncio.create_task(supervisor.run())
    await until(looking.is_set)
    supervisor.stop()
    stopped.set()
    await asyncio.wait_for(running, 20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_signal_stops_in_order(notes: Notes, journal: Journal, number: signal.Signals) -> None:
    async def on_ready() -> None:
        os.kill(os.getpid(), number)

    await Supervisor([notes.faithful("web", needs=("store",)), notes.faithful("store")], journal).run(on_ready)
    assert notes.lines[2:] == ["end web", "end store"]


async def test_stop_before_everything_serves_starts_nothing_more(notes: Notes, journal: Journal) -> None:
    never = _program("never", _STUBBORN, ready=lambda _: False, grace_seconds=0.1)
    supervisor = Supervisor([notes.faithful("web", needs=("never",)), never], journal)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.run)
        await until(lambda: supervisor.pid("never") is not None)
        supervisor.stop()
    assert notes.lines == []
    assert supervisor.pid("never") is None


async def test_deaf_services_are_killed_within_the_time_for_all(notes: Notes, journal: Journal) -> None:
    up: set[int] = set()
    deaf = [
        _program(f"deaf-{n}", _STUBBORN, needs=(f"deaf-{n + 1}",) if n < 3 else (), grace_seconds=60, ready=_serves(up))
        for n in range(4)
    ]
    supervisor = Supervisor(deaf, journal, patience=Patience(stop=0.5))
    began = time.monotonic()

    async def on_ready() -> None:
        nonlocal began
        began = time.monotonic()
        supervisor.stop()

    await supervisor.run(on_ready)
    assert time.monotonic() - began < 5
    assert len(up) == 4
    for pid in up:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def _serves(up: set[int]) -> Callable[[int], bool]:
    def ready(pid: int) -> bool:
        up.add(pid)
        # The shell of the tether is gone, so the program itself ignores the signal by now or soon.
        return b"tether" not in Path(f"/proc/{pid}/cmdline").read_bytes()

    return ready


async def test_output_is_kept_and_shown_with_its_services_name(notes: Notes, tmp_path: Path) -> None:
    shown: list[tuple[str, str]] = []
    journal = Journal(tmp_path / "logs", show=lambda name, line: shown.append((name, line)))
    supervisor = Supervisor([notes.faithful("store")], journal)

    async def on_ready() -> None:
        await until(lambda: ("store", "hello from store") in shown)
        supervisor.stop()

    await supervisor.run(on_ready)
    assert "hello from store" in (tmp_path / "logs/store.log").read_text()


async def test_cancelled_supervisor_stops_its_services_first(notes: Notes, journal: Journal) -> None:
    supervisor = Supervisor([notes.faithful("store")], journal)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.run)
        await until(lambda: notes.lines == ["start store"])
        tasks.cancel_scope.cancel()
    assert notes.lines == ["start store", "end store"]
