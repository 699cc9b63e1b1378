"""``import``: messages out of files, behind the live ones."""

import asyncio
import json
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from nats.aio.client import Client
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from api.queries import stats
from connectors.files import Bad, Files, Format, Found, UnknownFormat
from connectors.publish import Publisher
from deploy import links
from deploy.cli import Told, options, read_settings
from deploy.cli.reach import reach
from deploy.cli.terminal import harmless, hushed, terminal
from deploy.settings import Settings
from pipelines.burial import bury, letter
from pipelines.store import imports, sources
from schemas import subjects
from schemas.errors import Conflict, TooLarge, Unavailable
from schemas.messages import RawMessage
from schemas.subjects import Durable, Stream

BATCH = 500
_WAIT_SECONDS = 3600.0

Slugged = TypeVar("Slugged", str, str | None)


@dataclass
class Report:
    """What became of the items of an import; ``added`` None: it was not waited for.

    ``resumed_at`` is where in the input, in bytes, an import that was broken off went on.
    """

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    resumed_at: int = 0
    added: int | None = None


def import_(
    path: Annotated[Path, typer.Argument(exists=True, metavar="FILE", help="A file, or a folder of mails.")],
    form: Annotated[Format | None, typer.Option("--as", help="How it is written, if its name does not tell.")] = None,
    source: Annotated[str | None, typer.Option(help="Slug of the source that the messages belong to.")] = None,
    workspace: Annotated[str, typer.Option(help="Slug of the workspace.")] = "default",
    data: options.Data = None,
    wait: Annotated[bool, typer.Option(help="Wait until the pipeline has read everything.")] = True,
    as_json: options.Json = False,
) -> None:
    """Import messages from JSON Lines, mbox or eml. Broken off, it goes on; the same again adds nothing."""
    settings = reach(read_settings(data=data))
    console = terminal(stderr=True)
    reader = Files(workspace=_slug("--workspace", workspace), source=_slug("--source", source), format=form)
    try:
        with hushed(logging.CRITICAL):  # what it goes through is told once, at the end
            report = asyncio.run(_import(settings, reader, path, console, wait=wait))
    except UnknownFormat as error:
        raise Told(f"{error}: say how it is written with --as {'|'.join(Format)}") from error
    except KeyboardInterrupt:
        raise Told("interrupted: the same command goes on where it stopped") from None
    except Unavailable as error:
        raise Told(f"{error}: see `./run doctor`; the same command goes on where it stopped") from error
    if as_json:
        print(json.dumps(vars(report)))
    else:
        _show(report, console)


def _show(report: Report, console: Console) -> None:
    again = f" (went on at byte {report.resumed_at:,})" if report.resumed_at else ""
    console.print(f"{report.accepted:,} messages accepted, {sum(report.refused.values()):,} refused{again}")
    if report.added is not None:
        console.print(f"{report.added:,} of them were not here before; the page and `./run status` show what they hold")
    for reason, count in report.refused.most_common(10):
        console.print(Text(f"  {count:>6,} x {harmless(reason)}"))
    if report.refused:
        console.print("refused ones are kept with their bytes: `./run dead list`")


def _slug(option: str, value: Slugged) -> Slugged:
    if value is not None and not re.fullmatch(subjects.SLUG_PATTERN, value):
        raise Told(f"{option} {value}: 1 to 40 of a-z, 0-9 and -")
    return value


async def _import(settings: Settings, reader: Files, path: Path, console: Console, *, wait: bool) -> Report:
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(links.pool(settings, "write", size=1))
        nc = await stack.enter_async_context(links.nats_client(settings, "files", closed=_give_up))
        publisher = await stack.enter_async_context(Publisher(nc))
        progress = stack.enter_context(_progress(console))
        importer = _Importer(reader, path, pool, nc, publisher)
        before = await _stored(pool, reader.workspace)
        await importer.run(progress)
        if wait:
            operator = await stack.enter_async_context(links.nats_client(settings, "operator", closed=_give_up))
            await _until_read(operator, progress)
            after = await _stored(pool, reader.workspace)
            importer.report.added = sum(after[name] - before[name] for name in importer.sources)
        return importer.report


async def _stored(pool: links.Pool, workspace: str) -> Counter[str]:
    async with pool.connection() as conn:
        return Counter((await stats.stats(conn, workspace)).by_source)


def _give_up() -> None:
    raise Told("NATS closed the connection for good: see `./run doctor`; the import goes on where it stopped")


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)


class _Importer:
    """Sends a file in batches and notes after each how far it has come."""

    def __init__(self, reader: Files, path: Path, pool: links.Pool, nc: Client, publisher: Publisher) -> None:
        self._reader = reader
        self._path = path
        self._pool = pool
        self._nc = nc
        self._publisher = publisher
        self._registered: dict[str, str | None] = {}  # source -> why it cannot be used
        self.report = Report()

    @property
    def sources(self) -> list[str]:
        """The sources that messages were found of."""
        return list(self._registered)

    async def run(self, progress: Progress) -> None:
        key, size = self._reader.key(self._path), self._reader.size(self._path)
        async with self._pool.connection() as conn:
            start = self.report.resumed_at = await imports.done(conn, self._reader.workspace, key)
        bar = progress.add_task(f"sending {self._path.name}", total=size, completed=start)
        async for batch in _batches(self._reader, self._path, start):
            end = batch[-1].end
            await self._send(batch)
            async with self._pool.connection() as conn:
                await imports.advance(conn, self._reader.workspace, key, end if end < size else 0)
            progress.update(bar, completed=end)

    async def _send(self, batch: list[Found | Bad]) -> None:
        messages: list[RawMessage] = []
        for item in batch:
            if isinstance(item, Bad):
                await self._refuse(self._subject(None), item.body, item.reason)
            elif (reason := await self._why_not(item.message)) is not None:
                await self._refuse_message(item.message, reason)
            else:
                messages.append(item.message)
        try:
            await self._publisher.publish(messages, bulk=True)
            self.report.accepted += len(messages)
        except TooLarge:
            for message in messages:
                await self._send_alone(message)

    async def _send_alone(self, message: RawMessage) -> None:
        try:
            await self._publisher.publish([message], bulk=True)
            self.report.accepted += 1
        except TooLarge as error:
            await self._refuse_message(message.model_copy(update={"text": message.text[:10_000]}), str(error))

    async def _refuse_message(self, message: RawMessage, reason: str) -> None:
        body = message.model_dump_json(exclude_none=True).encode()
        await self._refuse(self._subject(message.source), body, reason)

    async def _refuse(self, subject: str, body: bytes, reason: str) -> None:
        await bury(self._nc, letter(subject, body, stage="import", reason=reason))
        self.report.refused[reason] += 1

    def _subject(self, source: str | None) -> str:
        return subjects.bulk(self._reader.workspace, Files.channel, source or self._reader.source or "unknown")

    async def _why_not(self, message: RawMessage) -> str | None:
        """Register a source on first use; say why it cannot be used, None when it can."""
        if message.source not in self._registered:
            try:
                async with self._pool.connection() as conn, conn.transaction():
                    await sources.ensure(conn, message.workspace, message.source, message.channel)
                self._registered[message.source] = None
            except Conflict as error:
                self._registered[message.source] = str(error)
        return self._registered[message.source]


async def _batches(reader: Files, path: Path, start: int) -> AsyncIterator[list[Found | Bad]]:
    """Read the file in another thread, so that reading and sending overlap."""
    items = reader.read(path, start=start)

    def some() -> list[Found | Bad]:
        return [item for _, item in zip(range(BATCH), items, strict=False)]

    reading = asyncio.create_task(asyncio.to_thread(some))
    while batch := await reading:
        reading = asyncio.create_task(asyncio.to_thread(some))
        yield batch


async def _until_read(nc: Client, progress: Progress) -> None:
    """Show how the pipeline reads what was sent, until nothing is left."""
    js = nc.jetstream(timeout=5)
    total = 0
    task = progress.add_task("reading", total=None)
    async with asyncio.timeout(_WAIT_SECONDS):
        while True:
            info = await js.consumer_info(Stream.RAW, Durable.BULK)
            left = (info.num_pending or 0) + (info.num_ack_pending or 0)
            total = max(total, left)
            progress.update(task, total=total or 1, completed=(total - left) if total else 1)
            if left == 0:
                return
            await asyncio.sleep(0.2)
