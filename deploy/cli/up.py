"""``up``: the whole stack in one folder, until it is stopped."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from deploy.cli import options, read_settings
from deploy.local.stack import Stack, holder_of
from deploy.settings import Settings

COLOURS = {
    "stack": "white",
    "postgres": "blue",
    "nats": "magenta",
    "api": "green",
    "dataflow": "cyan",
    "relay": "yellow",
}


def up(
    data: options.Data = None,
    port: options.Port = None,
    logs: Annotated[
        bool, typer.Option("--logs", help="Show what every process says, not only that all is ready.")
    ] = False,
) -> None:
    """Run servers, pipeline and page; print one line when all is ready. Ctrl-C stops everything."""
    settings = read_settings(data=data, port=port)
    console = Console(highlight=False)

    async def ready(stack: Stack) -> None:
        console.print(f"ready {stack.signed_in_url}", soft_wrap=True, markup=False)

    run_stack(settings, console, ready, logs=logs)


def run_stack(
    settings: Settings, console: Console, ready: Callable[[Stack], Awaitable[None]], *, logs: bool = False
) -> None:
    """Run a stack in this process until it is stopped; ``ready`` is called when everything serves."""

    def show(name: str, line: str) -> None:
        console.print(f"[{COLOURS.get(name, 'white')}]{name:>8}[/] {escape(line)}", soft_wrap=True)

    stack = Stack(settings, show=show if logs else None)
    if settings.port not in (0, stack.settings.port):
        console.print(
            f"port {settings.port} is taken by {holder_of(settings.port)}: taking {stack.settings.port}", style="yellow"
        )
    asyncio.run(stack.run(lambda: ready(stack)))
