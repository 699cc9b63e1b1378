"""``test``: every check of the project, quick ones first."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from time import monotonic

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
_PYTEST = ("-m", "pytest", "-q", "--durations=5", "schemas", "connectors", "pipelines", "deploy", "tests", "-m")
_CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_INSTALL_SECONDS = 240
_INSTALL_LOG = Path(".local/chromium.log")


def test(context: typer.Context) -> None:
    """Run all checks and tests, quick ones first. With arguments: run pytest with these alone."""
    sys.exit(run(context.args))


def run(arguments: list[str]) -> int:
    """Run everything, or pytest alone with the arguments; return the exit code. Ends at the first part that fails."""
    if arguments:
        return _python("-m", "pytest", *arguments)
    console, times = terminal(), {}
    parts = [*CHECKS, *((name, (*_PYTEST, marks)) for name, marks in TESTS)]
    for name, command in parts:
        console.rule(name, align="left")
        if name == "tests in a browser":
            _see_to_chromium(console)
        begun = monotonic()
        if code := _python(*command):
            console.print(f"{name}: failed", style="bold red")
            return code
        times[name] = monotonic() - begun
    console.rule("all fine", align="left")
    for name, seconds in times.items():
        console.print(f"{seconds:>6.0f} s  {name}")
    console.print(f"{sum(times.values()):>6.0f} s  in all", style="bold")
    return 0


def find_chromium() -> str | None:
    """Find a browser that the tests can drive; None when there is none."""
    return next(filter(None, map(shutil.which, _CHROMIUMS)), None)


def _python(*command: str) -> int:
    return subprocess.run([sys.executable, *command], check=False).returncode


def _see_to_chromium(console: Console) -> None:
    """Install Debian's chromium where it is missing and we may; without one, the tests in a browser are skipped."""
    if find_chromium() is None and os.geteuid() == 0 and shutil.which("apt-get"):
        console.print(f"no Chromium: installing Debian's (see {_INSTALL_LOG})", style="yellow")
        _install()
    if find_chromium() is None:
        console.print(
            "NO CHROMIUM WAS FOUND: the tests in a browser are skipped; apt install chromium", style="bold red"
        )


def _install() -> None:
    apt = ("timeout", str(_INSTALL_SECONDS), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y")
    _INSTALL_LOG.parent.mkdir(exist_ok=True)
    with _INSTALL_LOG.open("wb") as log:
        for verb in (("update",), ("install", "--no-install-recommends", "chromium")):
            subprocess.run([*apt, *verb], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
