"""The command line: ``tasktracker VERB``; one verb a file."""

import sys
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from deploy.local.process import StackError
from deploy.settings import SettingMissing, Settings
from schemas.errors import Conflict, NotFound, TooLarge, Unavailable

TOLD = (StackError, SettingMissing, Unavailable, TooLarge, NotFound, Conflict, FileNotFoundError, PermissionError)
"""Errors whose text is made for the person at the terminal."""


class Told(Exception):
    """A command cannot go on; the text says why, and what to do."""


def main() -> None:
    """Run one command; exit 1 with a sentence, never with a stack trace, when it cannot go on."""
    from deploy.cli.verbs import VERBS, command_line  # noqa: PLC0415  # the verbs import this module

    try:
        command_line(*(name for name in sys.argv[1:2] if name in VERBS))()
    except Exception as error:  # the host of every verb: what it knows becomes a sentence, the rest is a bug
        said = sentence(error)
        if said is None:
            raise
        Console(stderr=True).print(Text.assemble(("error: ", "bold red"), said), soft_wrap=True)
        sys.exit(1)


def sentence(error: BaseException) -> str | None:
    """Say what went wrong and what to do; None for an error that nobody foresaw."""
    if isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        return sentence(error.exceptions[0])
    if isinstance(error, (Told, *TOLD)):
        return str(error)
    return _of_server(error)


def _of_server(error: BaseException) -> str | None:
    import nats.errors  # noqa: PLC0415  # classify and --help do without the servers' clients
    import psycopg  # noqa: PLC0415
    import psycopg_pool  # noqa: PLC0415

    if isinstance(of := getattr(error, "orig", None), BaseException):  # as SQLAlchemy wraps them
        return _of_server(of)
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
        return "the database is not of our shape: run `./run migrate`"
    if isinstance(error, psycopg.OperationalError | psycopg_pool.PoolTimeout):
        return f"the database is away or does not let us in: {_first_line(error)}; see `./run doctor`"
    if isinstance(error, nats.errors.Error | TimeoutError):
        return f"NATS does not answer in time: {_first_line(error)}; see `./run doctor`"
    return None


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def read_settings(**flags: Any) -> Settings:
    """Read the environment; a flag that was given (not None) goes before it."""
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        wrong = "; ".join(f"{_variable(item['loc'])}: {item['msg']}" for item in error.errors(include_input=False))
        raise Told(f"a setting is wrong: {wrong}") from None


def _variable(place: tuple[int | str, ...]) -> str:
    name = str(place[0]) if place else ""
    return f"TASKTRACKER_{name.upper()}" if name in Settings.model_fields else name
