"""The catalogue of verbs. A verb's code is loaded when it is called: all of them together take a second."""

from importlib import import_module
from typing import Any

import typer

_ANY = {"allow_extra_args": True, "ignore_unknown_options": True}

VERBS: dict[str, tuple[str, dict[str, Any]]] = {
    "demo": ("demo:demo", {}),
    "up": ("up:up", {}),
    "run": ("roles:run", {}),
    "dev": ("dev:dev", {}),
    "migrate": ("migrate:migrate", {}),
    "provision": ("provision:provision", {}),
    "import": ("imports:import_", {}),
    "dead": ("dead:app", {}),
    "sources": ("sources:app", {}),
    "status": ("status:status", {}),
    "doctor": ("doctor:doctor", {}),
    "reconcile": ("reconcile:reconcile", {}),
    "classify": ("classify:classify", {}),
    "evaluate": ("evaluate:evaluate", {}),
    "train": ("train:train", {}),
    "bench": ("bench:app", {}),
    "test": ("test:test", {"context_settings": _ANY}),
}
"""Where each verb is, in this package, and how it is registered."""


def command_line(*wanted: str) -> typer.Typer:
    """Make the command line with these verbs; without any, with all."""
    app = typer.Typer(
        name="tasktracker",
        help="Turns a team's messages into tasks, live, with nothing lost and nothing twice.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(_named)
    for name in wanted or VERBS:
        place, options = VERBS[name]
        module, _, attribute = place.partition(":")
        verb = getattr(import_module(f"deploy.cli.{module}"), attribute)
        if isinstance(verb, typer.Typer):
            app.add_typer(verb, name=name, **options)
        else:
            app.command(name, **options)(verb)
    return app


def _named() -> None:
    """Keep the verb's name in the command line where it is the only one that is loaded."""
