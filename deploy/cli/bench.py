"""``bench``: how fast it is on this machine."""

import asyncio
import json
import logging
import random
import signal
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.bench import live as living
from deploy.bench import road as driving
from deploy.bench import table
from deploy.bench.counts import Miscounted
from deploy.bench.faults import run as breaking
from deploy.bench.peers import contest as comparing
from deploy.bench.peers.environment import NotThere
from deploy.bench.peers.table import peers_tables
from deploy.cli import Told, options, read_settings
from deploy.cli.terminal import hushed, terminal

app = typer.Typer(help="Benchmarks, on servers of their own; nothing of yours is touched.", no_args_is_help=True)


@app.command()
def road(
    messages: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="JSON Lines in the import format. [default: the demo's]"),
    ] = None,
    count: Annotated[int, typer.Option(min=10, help="Messages of a run; they are repeated under new ids.")] = 20_000,
    processes: Annotated[str, typer.Option(help="Processes of the dataflow, a run for each number.")] = "1,2,4",
    repeat: Annotated[int, typer.Option(min=1, help="Rounds, of which the medians are shown.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each latency is measured.")] = 10.0,
    imported: Annotated[
        int, typer.Option("--import", min=0, help="Messages that are imported beside fresh ones; 0: none.")
    ] = 50_000,
    rows: Annotated[str, typer.Option(help="Rows that are stored already, a run for each number.")] = "10000,100000",
    idle: Annotated[float, typer.Option(min=0, help="How long the stack at rest is looked at; 0: not.")] = 20.0,
    as_json: options.Json = False,
) -> None:
    """Measure messages a second from RAW to the last row, beside what each stage could do alone; latencies; cost."""
    plan = driving.Plan(
        messages=messages,
        count=count,
        processes=_numbers("--processes", processes) or (1,),
        repeat=repeat,
        seconds=seconds,
        imported=imported,
        rows=_numbers("--rows", rows),
        idle_seconds=idle,
        pg_bin=read_settings().pg_bin,
    )
    _show(_run(lambda say: driving.road(plan, say)), table.road_tables, as_json=as_json)


@app.command()
def live(
    clients: Annotated[int, typer.Option(min=1, max=25_000, help="WebSockets that are open at once.")] = 1_000,
    rate: Annotated[float, typer.Option(min=0.1, help="Messages a second.")] = 20.0,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long each phase lasts.")] = 10.0,
    as_json: options.Json = False,
) -> None:
    """Measure many pages that watch at once: memory, delay, slow readers, disconnects, a storm of reconnects."""
    plan = living.Plan(clients=clients, per_second=rate, seconds=seconds, pg_bin=read_settings().pg_bin)
    _show(_run(lambda say: living.live(plan, say)), table.live_tables, as_json=as_json)


@app.command()
def faults(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long.")] = 5.0,
    seed: Annotated[int | None, typer.Option(help="What decides which fault comes when. [default: a new one]")] = None,
    only: Annotated[str, typer.Option(help="Names of faults, separated by commas. [default: all]")] = "",
    as_json: options.Json = False,
) -> None:
    """Kill, freeze, cut off and mislead every part under load, and see whether anything is lost or doubled."""
    plan = breaking.Plan(
        minutes=minutes,
        seed=random.SystemRandom().randrange(1, 10**6) if seed is None else seed,
        only=tuple(name.strip() for name in only.split(",") if name.strip()),
        pg_bin=read_settings().pg_bin,
    )
    try:
        report = _run(lambda say: breaking.faults(plan, say))
    except LookupError as error:
        raise Told(f"--only {only}: {error.args[0]}") from None
    _show(report, table.faults_tables, as_json=as_json)
    if report["wrong"]:
        raise typer.Exit(1)


@app.command()
def peers(
    messages: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="JSON Lines in the import format. [default: the demo's]"),
    ] = None,
    count: Annotated[int, typer.Option(min=10, help="Messages of a run; they are repeated under new ids.")] = 5_000,
    processes: Annotated[str, typer.Option(help="Processes that work at once, a run for each number.")] = "1,2",
    repeat: Annotated[int, typer.Option(min=1, help="Rounds, of which the medians are shown.")] = 5,
    only: Annotated[str, typer.Option(help="Names of those who take part, separated by commas. [default: all]")] = "",
    as_json: options.Json = False,
) -> None:
    """Measure other ways to run the same stages beside ours: TaskIQ, FastStream, Celery. Fetches their packages."""
    plan = comparing.Plan(
        messages=messages,
        count=count,
        processes=_numbers("--processes", processes) or (1,),
        repeat=repeat,
        only=tuple(name.strip() for name in only.split(",") if name.strip()),
        pg_bin=read_settings().pg_bin,
    )
    try:
        report = _run(lambda say: comparing.peers(plan, say))
    except NotThere as error:
        raise Told(str(error)) from None
    _show(report, peers_tables, as_json=as_json)


def _run(work: Callable[[driving.Say], Coroutine[Any, Any, dict[str, Any]]]) -> dict[str, Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # Servers that were asked to stop are no news.
    with hushed(logging.ERROR), Progress(*columns, console=terminal(stderr=True)) as progress:
        bar = progress.add_task("starting the servers", total=None)

        def say(name: str, done: int, total: int) -> None:
            progress.update(bar, description=name, completed=done, total=total)

        try:
            return asyncio.run(_stoppable(work(say)))
        except (KeyboardInterrupt, asyncio.CancelledError):
            raise Told("interrupted: nothing is left of it") from None
        except Miscounted as error:
            raise Told(f"the figures are worth nothing: {error}") from error


async def _stoppable(work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Let SIGTERM do as Ctrl-C does: what was started is stopped, what was written removed."""
    loop, working = asyncio.get_running_loop(), asyncio.ensure_future(work)

    def stop() -> None:
        loop.add_signal_handler(signal.SIGTERM, lambda: None)  # a second one would cut the tidying short
        working.cancel()

    loop.add_signal_handler(signal.SIGTERM, stop)
    return await working


def _show(report: dict[str, Any], tables: Callable[[dict[str, Any]], Iterator[str | Table]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report))
        return
    console = terminal()
    for part in tables(report):
        console.print(part, soft_wrap=isinstance(part, str))


def _numbers(option: str, value: str) -> tuple[int, ...]:
    try:
        found = tuple(dict.fromkeys(int(part) for part in value.split(",") if part.strip()))
    except ValueError:
        raise Told(f"{option} {value}: whole numbers, separated by commas") from None
    if any(number <= 0 for number in found):
        raise Told(f"{option} {value}: numbers above 0")
    return found
