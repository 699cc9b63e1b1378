"""``up``: the whole stack in one folder, until it is stopped."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from deploy.cli import Told, options, read_settings
from deploy.cli.terminal import terminal
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
    console = terminal()

    async def ready(stack: Stack) -> None:
        console.print(f"ready {stack.signed_in_url}", soft_wrap=True, markup=False)

    run_stack(read_settings(data=data, port=port), ready, logs=logs)


def run_stack(settings: Settings, ready: Callable[[Stack], Awaitable[None]], *, logs: bool = False) -> None:
    """Run a stack in this process until it is stopped; ``ready`` is called when everything serves."""
    if settings.data.exists() and not settings.data.is_dir():
        raise Told(f"{settings.data} is no folder: choose another with --data")
    console = terminal(stderr=True)
    with _Watch(console, logs=logs) as watch:
        stack = Stack(settings, show=watch.show)

        async def serving() -> None:
            watch.stop()
            if settings.port not in (0, stack.settings.port):
                holder = holder_of(settings.port)
                said = f"port {settings.port} is taken by {holder}: taking {stack.settings.port}"
                console.print(said, style="yellow", soft_wrap=True)
            await ready(stack)

        asyncio.run(stack.run(serving))


class _Watch:
    """Shows how a stack starts, on a terminal, and what goes wrong with it; with ``logs`` whatever it says."""

    def __init__(self, console: Console, *, logs: bool) -> None:
        self._console = console
        self._logs = logs
        self._serving: list[str] = []
        self._status = console.status(
            "starting PostgreSQL, NATS and the pipeline; the first time takes a little longer"
        )

    def __enter__(self) -> "_Watch":
        if not self._logs:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the line of the start away."""
        self._status.stop()

    def show(self, name: str, line: str) -> None:
        """Take a line of the journal; those of the supervisor begin with two stars."""
        if self._logs:
            self._console.print(f"[{COLOURS.get(name, 'white')}]{name:>8}[/] {escape(line)}", soft_wrap=True)
        elif line.startswith("** serves"):
            self._serving.append(name)
            self._status.update(f"starting: {', '.join(self._serving)} up")
        elif line.startswith("** "):
            self._console.print(f"{name}: {line[3:]}", style="yellow", soft_wrap=True, markup=False)
        elif name == "stack" and line.endswith("stopping") and self._console.is_terminal:
            self._console.print("stopping ...", style="dim")
