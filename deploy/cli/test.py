"""``test``: every check of the project, quick ones first."""

import subprocess
import sys
from time import monotonic

import typer
from rich.console import Console

from deploy.cli import Told

CHECKS: tuple[tuple[str, list[str]], ...] = (
    ("style", ["-m", "ruff", "check", "."]),
    ("format", ["-m", "ruff", "format", "--check", "."]),
    ("types", ["-m", "mypy"]),
    ("layers", ["-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]),
)
TESTS: tuple[tuple[str, list[str]], ...] = (
    ("unit tests", ["-m", "not stack and not faults and not browser"]),
    ("tests with real servers", ["-m", "stack and not faults and not browser"]),
    ("whole stack and browser", ["-m", "browser and not faults"]),
    ("faults", ["-m", "faults"]),
)
_NOTHING_COLLECTED = 5


def test(context: typer.Context) -> None:
    """Run all checks and tests, quick ones first. With arguments: run pytest with these alone."""
    if context.args:
        sys.exit(subprocess.run([sys.executable, "-m", "pytest", *context.args], check=False).returncode)
    console = Console()
    for name, arguments in CHECKS:
        _step(console, name, arguments)
    for name, arguments in TESTS:
        _step(
            console, name, ["-m", "pytest", "-q", "schemas", "connectors", "pipelines", "deploy", "tests", *arguments]
        )


def _step(console: Console, name: str, arguments: list[str]) -> None:
    console.rule(name)
    begun = monotonic()
    code = subprocess.run([sys.executable, *arguments], check=False).returncode
    if code not in (0, _NOTHING_COLLECTED):
        raise Told(f"{name}: failed")
    console.print(f"{name}: fine, {monotonic() - begun:.0f} s")
