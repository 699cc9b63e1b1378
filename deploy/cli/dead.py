"""``dead``: what could not be used, and what to do with it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar
from uuid import UUID

import nats.errors
import nats.js.errors
import typer
from nats.aio.client import Client
from pydantic import ValidationError
from rich.table import Column
from rich.text import Text

from deploy import links
from deploy.cli import Told, options, read_settings
from deploy.cli.reach import ask, reach
from deploy.cli.terminal import harmless, moment, terminal
from deploy.cli.terminal import table as terminal_table
from deploy.settings import Settings
from pipelines.store import dead
from schemas.dead import DeadLetter
from schemas.messages import RawMessage
from schemas.subjects import Stream

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
    """Send a dead letter round again; if it dies again, that counts as one more try of it."""
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
    """Publish first, note it then: broken off between, it is sent twice, and the unique key decides.

    The bytes go as they are, so that dying again is one more try of this letter; and without a ``Nats-Msg-Id``, for
    NATS would drop the one that it knows from the first time.
    """
    async with pool.connection() as conn, conn.transaction():
        found = await dead.get(conn, workspace, letter)
        _must_be_readable(found)
        try:
            await nc.jetstream(timeout=5).publish(found.subject, found.body, stream=Stream.RAW)
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
            raise Told(f"NATS did not take it ({error!r}): see `./run doctor`, then try again") from error
        await dead.requeued(conn, letter)


def _must_be_readable(letter: DeadLetter) -> None:
    try:
        RawMessage.model_validate_json(letter.body)
    except ValidationError as error:
        raise Told(
            f"its bytes are no message of ours, it would die again ({letter.reason}): look at it with `./run dead show "
            f"{letter.id}`, mend it where it came from, send or import it again, then `./run dead drop {letter.id}`"
        ) from error
