"""``test``: every check of the project, quick ones first."""

import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from time import monotonic
from xml.etree import ElementTree

import typer
from rich.console import Console

from deploy.cli.terminal import terminal

CHECKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("style", ("-m", "ruff", "check", ".")),
    ("format", ("-m", "ruff", "format", "--check", ".")),
    ("types", ("-m", "mypy")),
    ("layers", ("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()")),
)
TESTS: tuple[tuple[str, str], ...] = (
    ("quick tests", "not stack and not faults and not browser"),
    ("tests with real servers", "stack and not faults and not browser"),
    ("tests in a browser", "browser and not faults"),
    ("faults", "faults"),
)
PATHS = ("schemas", "connectors", "pipelines", "api", "deploy", "tests")
"""Where tests are: the code holds doctests."""

NO_TEST_RAN = 5
"""As pytest says it."""

_PYTEST = ("-m", "pytest", "-q", "--durations=5", "--ignore=pipelines/store/migrations")
_SERVERS, _BROWSER = "tests with real servers", "tests in a browser"
_CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_INSTALL_SECONDS = 240
_INSTALL_LOG = Path(".local/apt.log")


def test(context: typer.Context) -> None:
    """Run all checks and tests, quick ones first. With arguments: run pytest with these alone."""
    sys.exit(run(context.args))


def run(arguments: list[str]) -> int:
    """Run everything, or pytest alone with the arguments; return the exit code. Ends at the first part that fails.

    Tests of which none ran have failed, but for those in a browser where there is none: that is told at the end.
    """
    if arguments:
        return _python("-m", "pytest", *arguments)
    console, times, not_run = terminal(), {}, []
    parts = [(name, partial(_python, *command)) for name, command in CHECKS]
    parts += [
        # Tests with servers mostly wait for the disk and for each other's processes.
        (name, partial(run_tests, marks, *PATHS, workers=2 if name == _SERVERS else 1))
        for name, marks in TESTS
    ]
    for name, part in parts:
        console.rule(name, align="left")
        if name == _SERVERS:
            _see_to(console, "nginx", shutil.which("nginx", path="/usr/sbin:/usr/bin"), package="nginx-light")
        if name == _BROWSER:
            _see_to(console, "Chromium", find_chromium(), package="chromium")
        begun = monotonic()
        code = part()
        if code == NO_TEST_RAN and name == _BROWSER and find_chromium() is None:
            not_run.append(name)
        elif code:
            said = "no test ran" if code == NO_TEST_RAN else "failed"
            console.print(f"{name}: {said}", style="bold red")
            return code
        times[name] = monotonic() - begun
    console.rule("all that ran is fine" if not_run else "all fine", align="left")
    for name, seconds in times.items():
        console.print(f"{seconds:>6.0f} s  {name}")
    console.print(f"{sum(times.values()):>6.0f} s  in all", style="bold")
    for name in not_run:
        console.print(f"NOT RUN, FOR THERE IS NO CHROMIUM: {name}", style="bold red")
    return 0


def run_tests(marks: str, *places: str, workers: int = 1) -> int:
    """Run the tests of some marks; return pytest's exit code, and NO_TEST_RAN when all were skipped, too.

    Several workers share the files of tests between them.
    """
    shared = ("-n", str(workers), "--dist", "loadfile") if workers > 1 else ()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        code = _python(*_PYTEST, *shared, *places, "-m", marks, f"--junitxml={report}")
        if code == 0:
            cases = ElementTree.parse(report).iter("testcase")  # noqa: S314  # pytest has just written it
            return NO_TEST_RAN if all(case.find("skipped") is not None for case in cases) else 0
        return code


def find_chromium() -> str | None:
    """Find a browser that the tests can drive; None when there is none."""
    return next(filter(None, map(shutil.which, _CHROMIUMS)), None)


def _python(*command: str) -> int:
    return subprocess.run([sys.executable, *command], check=False).returncode


def _see_to(console: Console, name: str, found: str | None, *, package: str) -> None:
    """Install a package of Debian where a program is missing and we may; without it, its tests are skipped."""
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        console.print(f"no {name}: installing Debian's (see {_INSTALL_LOG})", style="yellow")
        if _install(package):
            return
    if found is None:
        console.print(f"NO {name}: the tests that need it are skipped; apt install {package}", style="bold red")


def _install(package: str) -> bool:
    apt = ("timeout", str(_INSTALL_SECONDS), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y")
    _INSTALL_LOG.parent.mkdir(exist_ok=True)
    with _INSTALL_LOG.open("ab") as log:
        codes = [
            subprocess.run([*apt, *verb], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False).returncode
            for verb in (("update",), ("install", "--no-install-recommends", package))
        ]
    return codes[-1] == 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
