"""Senders of messages, rubbish and commands, and the ledger of what they were told of each."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeAlias
from uuid import UUID

import httpx
import nats.errors
import nats.js.errors
import psycopg

from deploy.bench.faults.house import HOOK, House
from deploy.bench.load import WORKSPACE
from deploy.bench.servers import until
from schemas import subjects
from schemas.commands import Command
from schemas.tasks import TaskChange

LETTER, COMMAND = "letter", "command"
"""In the names of rubbish, which must become a dead letter, and of commands."""

SOURCE = "load"

_ANSWER_SECONDS = 5.0
_POST_SECONDS = 20.0
_AGAIN_SECONDS = 0.1
_MOST = 12
"""Messages that are sent at once."""

_SLOW = 5
"""How much slower than the senders of messages those of rubbish and of commands are."""

Attempt: TypeAlias = Callable[[Sequence[str]], Awaitable[bool]]


@dataclass
class Ledger:
    """What senders were told of each thing that they sent, by its name: acknowledged, or unknown.

    ``beginning`` is what all names begin with; ``refused`` counts the answers that were no acknowledgement.
    """

    beginning: str = ""
    acknowledged: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    refused: int = 0


async def some_load(ledger: Ledger, count: int = 100, *, seconds: float = 30) -> None:
    """Wait until so many more things are acknowledged."""
    before = len(ledger.acknowledged)

    async def enough() -> bool:
        return len(ledger.acknowledged) >= before + count

    await until(enough, seconds=seconds, what=f"{count} messages to be accepted")


async def post(house: House, ledger: Ledger, name: str) -> int | None:
    """Send one message to the api and note what was said of it; return the status, None when nobody answered."""
    ledger.unknown.add(name)
    async with httpx.AsyncClient(headers=house.headers, timeout=_POST_SECONDS) as client:
        try:
            answer = await client.post(f"{house.url}/api/messages", json=_line(name) | {"source": SOURCE})
        except httpx.TransportError:
            return None
    if answer.status_code == HTTPStatus.ACCEPTED:
        ledger.acknowledged.add(name)
    return answer.status_code


@asynccontextmanager
async def sending(
    house: House, ledger: Ledger, *, senders: int = 4, pause_seconds: float = 0.02
) -> AsyncIterator[None]:
    """Let messages, and now and then rubbish and commands, be sent while the block lasts.

    What is refused is sent again under the same name until it is accepted, or the block ends.
    """
    stop = asyncio.Event()
    async with _attempts(house) as attempts:
        work = [
            _send(attempts[HOOK if number == 0 else SOURCE], ledger, stop, f"sender{number}", pause_seconds)
            for number in range(senders)
        ]
        work += [_send(attempts[kind], ledger, stop, kind, pause_seconds * _SLOW) for kind in (LETTER, COMMAND)]
        tasks = [asyncio.create_task(each) for each in work]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*tasks)


async def _send(attempt: Attempt, ledger: Ledger, stop: asyncio.Event, sender: str, pause_seconds: float) -> None:
    most = 1 if sender in (LETTER, COMMAND) else _MOST
    sender = f"{ledger.beginning}{sender}"
    rng, number = random.Random(sender), 0  # noqa: S311  # the same lists each time
    names: list[str] = []
    while not stop.is_set():
        if not names:
            names = [f"{sender}-{number + place}" for place in range(rng.randint(1, most))]
            number += len(names)
        if await attempt(names):
            ledger.acknowledged.update(names)
            names = []
            await asyncio.sleep(pause_seconds)
        else:
            ledger.unknown.update(names)
            ledger.refused += 1
            await asyncio.sleep(_AGAIN_SECONDS)


@asynccontextmanager
async def _attempts(house: House) -> AsyncIterator[dict[str, Attempt]]:
    async with (
        httpx.AsyncClient(headers=house.headers, timeout=_ANSWER_SECONDS) as client,
        house.client("operator") as nc,
    ):
        js = nc.jetstream(timeout=_ANSWER_SECONDS)

        async def post(names: Sequence[str]) -> bool:
            return await _posted(
                client, f"{house.url}/api/messages", [_line(name) | {"source": SOURCE} for name in names]
            )

        async def hook(names: Sequence[str]) -> bool:
            return await _posted(client, f"{house.hooks}/{HOOK}", [_line(name) for name in names])

        async def publish(subject: str, body: str, name: str) -> bool:
            try:
                await js.publish(subject, body.encode(), headers={"Nats-Msg-Id": name})
            except (nats.errors.Error, nats.js.errors.Error, TimeoutError):
                return False
            return True

        async def letter(names: Sequence[str]) -> bool:
            return await publish(subjects.raw(WORKSPACE, "api", SOURCE), json.dumps({"rubbish": names[0]}), names[0])

        tasks: list[tuple[UUID]] = []

        async def command(names: Sequence[str]) -> bool:
            if not tasks:
                with suppress(psycopg.OperationalError):
                    tasks.extend(await house.rows("select id from tasks limit 1"))
            if not tasks:
                return False
            change = TaskChange(description=f"as {names[0]} says")
            wish = Command(id=names[0], workspace=WORKSPACE, actor=names[0], task=tasks[0][0], change=change)
            body = wish.model_dump_json(exclude_unset=True)
            return await publish(subjects.commands(WORKSPACE, "telegram"), body, names[0])

        yield {SOURCE: post, HOOK: hook, LETTER: letter, COMMAND: command}


async def _posted(client: httpx.AsyncClient, url: str, lines: Sequence[dict[str, str]]) -> bool:
    try:
        return (await client.post(url, json=lines)).status_code == HTTPStatus.ACCEPTED
    except httpx.HTTPError:
        return False


def _line(name: str) -> dict[str, str]:
    """Write a message; four of ten hold work."""
    holds_work = not name.endswith(("1", "2", "4", "5", "7", "8"))
    text = f"please fix the login page, it crashes: case {name}" if holds_work else f"good morning from {name}"
    return {"external_id": name, "author": "load", "text": text}
