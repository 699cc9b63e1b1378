"""``run``: one role, or some light ones together, against given servers."""

from typing import Annotated

import typer

from deploy import roles
from deploy.cli import Told, read_settings


def run(names: Annotated[list[str], typer.Argument(metavar="ROLE...", help=f"Of: {', '.join(roles.NAMES)}.")]) -> None:
    """Play roles in this process, against DATABASE_URL and NATS_URL, until SIGTERM or Ctrl-C."""
    settings = read_settings()
    if unknown := [name for name in names if name not in roles.NAMES]:
        raise Told(f"no role {', '.join(unknown)}: choose of {', '.join(roles.NAMES)}")
    if roles.DATAFLOW in names and len(names) > 1:
        raise Told("dataflow needs a process of its own: run the other roles in another")
    roles.log_to_stderr(settings.log_level)
    roles.play(settings, names)
