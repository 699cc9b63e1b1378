"""The command line: ``tasktracker VERB``; one verb a file."""

import sys

from pydantic import ValidationError
from rich.console import Console

from deploy.local.process import StackError
from deploy.settings import SettingMissing, Settings
from schemas.errors import Conflict, NotFound, TooLarge, Unavailable

TOLD = (StackError, SettingMissing, Unavailable, TooLarge, NotFound, Conflict, FileNotFoundError)
"""Errors whose text is made for the person at the terminal."""


class Told(Exception):
    """A command cannot go on; the text says why, and what to do."""


def main() -> None:
    """Run one command; exit 1 with a sentence, never with a stack trace, when it cannot go on."""
    from deploy.cli.verbs import app  # noqa: PLC0415  # the verbs import this module

    try:
        app()
    except (Told, *TOLD) as error:
        Console(stderr=True).print(f"[bold red]error:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)


def read_settings(**flags: object) -> Settings:
    """Read the environment; a flag that was given (not None) goes before it."""
    try:
        settings = Settings()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))} {item['msg']}" for item in error.errors())
        raise Told(f"a setting in the environment is wrong: {wrong}") from None
    return settings.model_copy(update={name: value for name, value in flags.items() if value is not None})
