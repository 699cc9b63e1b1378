"""``dead``: what could not be used, and what to do with it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from nats.aio.client import Client
from rich.table import Column
from rich.text import Text

from connectors.publish import Publisher
from deploy import links
from deploy.cli import Told, options, read_settings
from deploy.cli.reach import ask, reach
from deploy.cli.terminal import harmless, moment, terminal
from deploy.cli.terminal import table as terminal_table
from deploy.settings import Settings
from pipelines.store import dead
from schemas.dead import DeadLetter
from schemas.messages import RawMessage

T = TypeVar("T")

app = typer.Typer(help="Dead letters: what could not be used, kept with its reason.", no_args_is_help=True)

Letter = Annotated[UUID, typer.Argument(help="Id of the dead letter, see `dead list`.")]
Workspace = Annotated[str, typer.Option(help="Slug of the workspace.")]


@app.command("list")
def list_(
    data: options.Data = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50,
    as_json: options.Json = False,
) -> None:
    """List dead letters, newest first."""
    found = ask(read_settings(data=data), "/api/dead", params={"limit": limit})
    if as_json:
        print(json.dumps(found["items"]))
        return
    console = terminal()
    if not found["items"]:
        console.print("no dead letters")
        return
    table = terminal_table(Column("id", no_wrap=True, min_width=36), "last time", "tries", "stage", "reason")
    for item in found["items"]:
        again = "sent round again; " if item["requeued_at"] else ""
        reason = harmless(f"{again}{item['reason']}")
        table.add_row(item["id"], moment(item["last_at"]), str(item["tries"]), item["stage"], Text(reason))
    console.print(table)
    if found["next_cursor"]:
        console.print(f"... and more than these {limit}", style="dim")
    console.print("\nto see one: ./run dead show ID; then: ./run dead requeue ID, or ./run dead drop ID", style="dim")


@app.command()
def show(letter: Letter, data: options.Data = None, as_json: options.Json = False) -> None:
    """Show one dead letter with its original bytes."""
    found = ask(read_settings(data=data), f"/api/dead/{letter}")
    if as_json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        terminal().print(Text.assemble((f"{name:>12}  ", "dim"), harmless(str(value))), soft_wrap=True)


@app.command()
def requeue(letter: Letter, workspace: Workspace = "default", data: options.Data = None) -> None:
    """Send a dead letter round again, under a new message id."""
    settings = reach(read_settings(data=data))
    asyncio.run(_with_database(settings, lambda pool, nc: _requeue(pool, nc, workspace, letter)))
    terminal().print(f"{letter} was sent round again")


@app.command()
def drop(letter: Letter, workspace: Workspace = "default", data: options.Data = None) -> None:
    """Delete a dead letter for good."""
    settings = reach(read_settings(data=data))

    async def run(pool: links.Pool, _: Client) -> None:
        async with pool.connection() as conn:
            await dead.drop(conn, workspace, letter)

    asyncio.run(_with_database(settings, run))
    terminal().print(f"{letter} is gone")


async def _with_database(settings: Settings, work: Callable[[links.Pool, Client], Awaitable[T]]) -> T:
    async with (
        links.pool(settings, "write", size=1) as pool,
        links.nats_client(settings, "operator", closed=lambda: None) as nc,
    ):
        return await work(pool, nc)


async def _requeue(pool: links.Pool, nc: Client, workspace: str, letter: UUID) -> None:
    """Publish first, note it then: broken off between, it is sent twice, and the unique key decides."""
    async with pool.connection() as conn, conn.transaction():
        found = await dead.get(conn, workspace, letter)
        message = _readable(found)
        async with Publisher(nc) as publisher:
            await publisher.publish([message], bulk=found.subject.startswith("bulk."))
        await dead.requeued(conn, letter)


def _readable(letter: DeadLetter) -> RawMessage:
    try:
        given: dict[str, Any] = json.loads(letter.body)
        return RawMessage.model_validate(given | {"received_at": datetime.now(UTC).isoformat()})
    except (ValueError, TypeError, RecursionError) as error:
        raise Told(
            f"its bytes are no message of ours, it would die again ({letter.reason}): look at it with `./run dead show "
            f"{letter.id}`, mend it where it came from, send or import it again, then `./run dead drop {letter.id}`"
        ) from error
