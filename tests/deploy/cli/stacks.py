"""A whole stack as a person starts it, in processes of its own, and the command line beside it."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from deploy.cli import main
from deploy.cli.reach import reach
from deploy.local.stack import Running, running
from deploy.settings import Settings

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared"


def clean_environment(**more: str) -> dict[str, str]:
    """Give the environment without anything that sets this project up."""
    names = ("DATABASE_URL", "NATS_URL", "COLUMNS", "FORCE_COLOR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TASKTRACKER_")}
    return {name: value for name, value in kept.items() if name not in names} | more


def command(*arguments: object) -> list[str]:
    """Write a command line of ours."""
    return [sys.executable, "-m", "deploy.cli", *map(str, arguments)]


def cli(*arguments: object, given: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in a process of its own."""
    return subprocess.run(
        command(*arguments),
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=ROOT,
        env=clean_environment(**environment),
    )


def called(*arguments: object, given: str | bytes = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, which has loaded all that takes a command a second to load; else as ``cli``."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in os.environ.keys() - clean_environment().keys():
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["tasktracker", *map(str, arguments)])
        body = given.encode() if isinstance(given, str) else given
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body), encoding="utf-8"))
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return subprocess.CompletedProcess([str(each) for each in arguments], code, out.getvalue(), err.getvalue())


def until(condition: Callable[[], Any], *, seconds: float = 20.0, what: str = "it") -> Any:
    """Return what the condition says once that is true; fail when it is not in time."""
    deadline = time.monotonic() + seconds
    while not (met := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)
    return met


def processes_of(folder: Path) -> dict[int, str]:
    """Find the living processes that know of a data folder, by their command line or environment."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line, environment = (place / "cmdline").read_bytes(), (place / "environ").read_bytes()
            dead = "Z" in (place / "stat").read_text().rpartition(")")[2].split()[0]
            if str(folder).encode() in line + environment and not dead and int(place.name) != os.getpid():
                found[int(place.name)] = line.replace(b"\0", b" ").decode(errors="replace")
    return found


@contextmanager
def open_folder() -> Iterator[Path]:
    """Give a folder that the user of PostgreSQL can reach, which pytest's own is not for root."""
    path = Path(tempfile.mkdtemp(prefix="tt-cli-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        for pid in processes_of(path):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(path, ignore_errors=True)


class Up:
    """``up`` in a folder, ready; its api, its database and the command line for it."""

    def __init__(self, folder: Path, *, port: int = 0, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._out, self._err = folder / "up.out", folder / "up.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                command("up", "--data", folder, "--port", port),
                stdout=out,
                stderr=err,
                cwd=ROOT,
                env=clean_environment(**(environment or {})),
                start_new_session=True,
            )
        until(lambda: self.said().endswith("\n") or self.process.poll() is not None, seconds=60, what="the ready line")
        assert self.said().startswith("ready http://127.0.0.1:"), self.complained()
        self.link = self.said().split()[1]
        self.url, _, self.token = self.link.partition("/?token=")
        self.client = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=30)

    def said(self) -> str:
        """Give what it wrote to its standard output."""
        return self._out.read_text()

    def complained(self) -> str:
        """Give what it wrote to its standard error."""
        return self._err.read_text()

    def api(self, path: str, **query: Any) -> Any:
        """Ask the api, which must answer well."""
        answer = self.client.get(f"/api/{path}", params=query)
        assert answer.is_success, answer.text
        return answer.json()

    def count(self, source: str) -> int:
        """Count the messages of a source."""
        return int(self.api("stats")["by_source"].get(source, 0))

    def run(self, *arguments: object, given: str | bytes = "") -> subprocess.CompletedProcess[str]:
        """Run a command against this stack; an error that it has no sentence for is raised."""
        return called(*arguments, "--data", self.folder, given=given)

    def json(self, *arguments: object) -> Any:
        """Run a command that must do well, and read its JSON."""
        ended = self.run(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    @property
    def settings(self) -> Settings:
        """The settings with which a command reaches this stack."""
        return reach(Settings(data=self.folder))

    @property
    def running(self) -> Running:
        """What the stack says of itself."""
        found = running(self.folder)
        assert found is not None
        return found

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Ask the database itself."""
        with psycopg.connect(self.settings.database("read"), row_factory=dict_row) as conn:
            return conn.execute(query.encode(), values).fetchall()

    def stop(self, number: signal.Signals = signal.SIGTERM, *, but: Collection[int] = ()) -> float:
        """Stop it as a person would; return how long that took. It must end well and leave no process ``but`` these."""
        self.client.close()
        begun = time.monotonic()
        self.process.send_signal(number)
        assert self.process.wait(20) == 0, self.complained()
        took = time.monotonic() - begun
        assert {pid: line for pid, line in processes_of(self.folder).items() if pid not in but} == {}
        return took


@contextmanager
def started(verb: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Start a verb that runs a stack, and wait for nothing: give the process and the file that it writes to."""
    out = folder / f"{verb}.out"
    with (
        out.open("wb") as stream,
        subprocess.Popen(
            command(verb, "--data", folder, "--port", 0),
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=clean_environment(),
        ) as process,
    ):
        yield process, out


@contextmanager
def up(folder: Path, **options: Any) -> Iterator[Up]:
    """Run a stack while the block runs, unless the block ends it."""
    made = Up(folder, **options)
    try:
        yield made
    except BaseException:
        print(made.complained())  # noqa: T201  # shown with the failure: why a stack ended is told there only
        raise
    finally:
        made.client.close()
        if made.process.poll() is None:
            made.process.send_signal(signal.SIGTERM)
            made.process.wait(20)
