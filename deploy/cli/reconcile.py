"""``reconcile``: does all that was accepted stand in the database, and all that happened in the stream of results."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import typer
from nats.aio.client import Client
from pydantic import ValidationError
from rich.progress import Progress

from api.queries import balance
from deploy import links
from deploy.cli import options, read_settings
from deploy.cli.reach import reach
from deploy.cli.terminal import harmless, terminal
from deploy.settings import Settings
from pipelines.kept import Kept, kept
from schemas.dead import dead_letter_id
from schemas.messages import RawMessage
from schemas.subjects import Durable, Stream

STAGES = ("decode", "normalize", "classify", "extract", "persist", "deliver")
"""Where a message can be buried."""


@dataclass
class Books:
    """What was compared, and what is missing, in words."""

    read: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    missing: list[str] = field(default_factory=list)


def reconcile(data: options.Data = None, as_json: options.Json = False) -> None:
    """Compare the streams with the database and name what is missing; exit code 1 when something is."""
    console = terminal(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        books = asyncio.run(_reconcile(reach(read_settings(data=data)), progress))
    if as_json:
        print(json.dumps(vars(books)))
    else:
        _show(books)
    if books.missing:
        raise typer.Exit(1)


def _show(books: Books) -> None:
    console = terminal()
    console.print(", ".join(f"{count:,} {what}" for what, count in books.read.items()))
    if books.waiting:
        console.print(f"{books.waiting:,} messages still wait for the flow")
    for what in books.missing:
        console.print(harmless(what), style="red", soft_wrap=True)
    console.print("the books balance" if not books.missing else f"{len(books.missing):,} missing", style="bold")


async def _reconcile(settings: Settings, progress: Progress) -> Books:
    books = Books()
    async with (
        links.pool(settings, "read", size=1) as pool,
        links.nats_client(settings, "operator", closed=lambda: None) as nc,
        pool.connection() as conn,
    ):
        await _messages(nc, conn, books, progress)
        await _results(nc, conn, books, progress)
        for kind, names in (await balance.untold(conn)).items():
            books.missing += [f"{kind}: {name}" for name in names]
        books.read |= await balance.count(conn)
    return books


async def _messages(nc: Client, conn: balance.Conn, books: Books, progress: Progress) -> None:
    """Look for every message of RAW among the rows, then among the dead letters."""
    done = await _done(nc)
    bar = progress.add_task("messages", total=(await nc.jetstream().stream_info(Stream.RAW)).state.messages)
    books.read["raw messages"] = 0
    async for batch in kept(nc, Stream.RAW):
        readable = {message.sequence: raw for message in batch if (raw := _raw(message)) is not None}
        untraced = await balance.without_a_row(
            conn,
            [
                raw.key._asdict() | {"place": place, "revision": raw.revision, "digest": raw.digest}
                for place, raw in readable.items()
            ],
        )
        without = [each for each in batch if each.sequence not in readable or each.sequence in untraced]
        for message in await _not_buried(conn, without):
            if message.sequence > done[message.subject.partition(".")[0]]:
                books.waiting += 1
            else:
                name = str(readable[message.sequence].key) if message.sequence in readable else "unreadable bytes"
                books.missing.append(f"message without a row or a dead letter: RAW {message.sequence} {name}")
        books.read["raw messages"] += len(batch)
        progress.advance(bar, len(batch))


async def _done(nc: Client) -> dict[str, int]:
    """Give the sequence up to which each durable has acknowledged everything, by the first word of its subjects."""
    js = nc.jetstream(timeout=5)
    floors = {}
    for word, durable in (("raw", Durable.LIVE), ("bulk", Durable.BULK)):
        info = await js.consumer_info(Stream.RAW, durable)
        idle = not info.num_pending and not info.num_ack_pending
        floor = info.ack_floor.stream_seq if info.ack_floor else 0
        floors[word] = (await js.stream_info(Stream.RAW)).state.last_seq if idle else floor
    return floors


async def _not_buried(conn: balance.Conn, messages: Sequence[Kept]) -> list[Kept]:
    letters: defaultdict[UUID, list[int]] = defaultdict(list)  # the same bytes died as often as they were sent
    for message in messages:
        for stage in STAGES:
            letters[dead_letter_id(message.subject, stage, message.body)].append(message.sequence)
    if not letters:
        return []
    traced = {sequence for letter in await balance.buried(conn, list(letters)) for sequence in letters[letter]}
    return [message for message in messages if message.sequence not in traced]


def _raw(message: Kept) -> RawMessage | None:
    try:
        return RawMessage.model_validate_json(message.body)
    except ValidationError:
        return None


async def _results(nc: Client, conn: balance.Conn, books: Books, progress: Progress) -> None:
    """Look for each event of the database at its place in RESULTS, as far back as that reaches."""
    bar = progress.add_task("results", total=(await nc.jetstream().stream_info(Stream.RESULTS)).state.messages)
    books.read["results"] = 0
    expected: int | None = None
    async for batch in kept(nc, Stream.RESULTS):
        found = {event["position"]: UUID(event["id"]) for event in (json.loads(message.body) for message in batch)}
        first, last = expected or min(found), max(found)
        for position, event in (await balance.placed(conn, first, last)).items():
            if found.get(position) != event:
                books.missing.append(f"event at another place in RESULTS, or nowhere: {position} {event}")
        expected = last + 1
        books.read["results"] += len(batch)
        progress.advance(bar, len(batch))
