"""pipelines/lanes/commands.py: a command is done once; what can never be done is buried, what cannot be now, waits."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import nats
import psycopg
import pytest
from faststream import AckPolicy
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.js.api import RawStreamMsg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from deploy import streams
from deploy.local.permissions import inbox_prefix
from pipelines.burial import REASON
from pipelines.burial import SUBJECT as ORIGINAL_SUBJECT
from pipelines.commit import Pool
from pipelines.lanes.commands import attach
from pipelines.store import tasks
from schemas.commands import Command
from schemas.subjects import Durable, Stream
from schemas.tasks import NewTask, Review, ReviewDecision, Status, TaskChange
from tests.waiting import until

SUBJECT = "commands.default.telegram"


@dataclass
class House:
    """The lane's surroundings, with one task."""

    nc: Client
    owner: psycopg.AsyncConnection[Any]
    pool: Pool
    url: str
    task: UUID

    @asynccontextmanager
    async def lane(self) -> AsyncIterator[NatsBroker]:
        broker = NatsBroker(self.url, inbox_prefix=inbox_prefix("lanes"), logger=None, graceful_timeout=1.0)
        attach(broker, self.pool, inbox_prefix=inbox_prefix("lanes"))
        async with broker:
            await broker.start()
            yield broker

    async def press(self, *commands: Command) -> None:
        for command in commands:
            await self.nc.jetstream().publish(SUBJECT, command.model_dump_json(exclude_unset=True).encode())

    def done(self, **fields: Any) -> Command:
        change = TaskChange(status=Status.DONE)
        return Command.model_validate({"id": "press-1", "actor": "anna", "task": self.task, "change": change} | fields)

    async def settle(self) -> None:
        """Run the lane until all commands are acknowledged."""
        async with self.lane():
            await self.until_settled()

    async def until_settled(self) -> None:
        js = self.nc.jetstream()
        last = (await js.stream_info(Stream.COMMANDS)).state.last_seq

        async def settled() -> bool:
            floor = (await js.consumer_info(Stream.COMMANDS, Durable.COMMANDS)).ack_floor
            return floor is not None and floor.stream_seq == last

        await until(settled, what="the commands to be acknowledged")

    async def rows(self, query: str) -> list[dict[str, Any]]:
        async with self.owner.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query.encode())
            return await cursor.fetchall()

    async def changes(self) -> list[str]:
        """List the types of the events that tell of a change, in order."""
        rows = await self.rows("select type from events where type in ('task.updated', 'task.reviewed') order by seq")
        return [row["type"] for row in rows]

    async def dead(self) -> list[RawStreamMsg]:
        js = self.nc.jetstream()
        last = (await js.stream_info(Stream.DEAD)).state.last_seq
        return [await js.get_msg(Stream.DEAD, seq=seq) for seq in range(1, last + 1)]


@pytest.fixture
async def house(postgres_urls: dict[str, str], nats_url: str, nats_urls: Callable[[str], str]) -> AsyncIterator[House]:
    nc = await nats.connect(nats_url)
    async with (
        await psycopg.AsyncConnection.connect(postgres_urls["migrate"], autocommit=True) as owner,
        AsyncConnectionPool(
            postgres_urls["write"],
            connection_class=psycopg.AsyncConnection[Any],
            kwargs={"autocommit": True},
            min_size=1,
            max_size=2,
            timeout=0.5,
            open=False,
        ) as pool,
    ):
        async with owner.transaction():
            task = await tasks.create(owner, "default", NewTask(title="Renew the certificate"), actor="anna")
        yield House(nc, owner, pool, nats_urls("lanes"), task.id)
    await nc.close()


async def test_change_is_done_and_told(house: House) -> None:
    await house.press(house.done())
    await house.settle()
    [task] = await house.rows("select status, version, provenance from tasks")
    assert (task["status"], task["version"]) == ("done", 2)
    assert task["provenance"]["status"]["actor"] == "anna"
    assert await house.changes() == ["task.updated"]
    assert await house.dead() == []


async def test_review_is_done_and_told(house: House) -> None:
    review = ReviewDecision(decision=Review.REJECTED)
    await house.press(house.done(change=None, review=review))
    await house.settle()
    [task] = await house.rows("select status, review from tasks")
    assert (task["status"], task["review"]) == ("cancelled", "rejected")
    assert await house.changes() == ["task.reviewed"]


async def test_same_press_twice_is_done_once(house: House) -> None:
    undone = house.done(id="press-2", change=TaskChange(status=Status.OPEN))
    await house.press(house.done(), undone, house.done())
    await house.settle()
    [task] = await house.rows("select status, version from tasks")
    assert (task["status"], task["version"]) == ("open", 3)
    assert len(await house.changes()) == 2
    assert await house.dead() == []


async def buried(house: House, body: Command) -> str:
    """Send what can never be done, and a good command behind it; return why the first was buried."""
    await house.press(body)
    await house.press(house.done(id="behind it"))
    await house.settle()
    assert await house.changes() == ["task.updated"]
    [letter] = await house.dead()
    headers = letter.headers or {}
    wire = body.model_dump_json(exclude_unset=True).encode()
    assert (letter.subject, letter.data, headers[ORIGINAL_SUBJECT]) == ("dead.commands", wire, SUBJECT)
    return str(headers[REASON])


async def test_command_on_an_unknown_task_is_buried(house: House) -> None:
    task = uuid4()
    assert await buried(house, house.done(task=task)) == f"NotFound: no task {task}"


async def test_command_that_clears_what_every_task_has_is_buried(house: House) -> None:
    reason = await buried(house, house.done(change=TaskChange(title=None)))
    assert "title: every task has one" in reason


async def test_command_of_another_workspace_is_buried(house: House) -> None:
    assert "says workspace acme" in await buried(house, house.done(workspace="acme"))


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain"])
async def test_what_is_no_command_is_buried_without_its_content_in_the_reason(
    house: House, content_type: str | None
) -> None:
    bodies = [b"", b"press", b"null", b'{"id": "secret"}', b"\xff\xfe", b"[" * 5_000, b'{"id": "\\u0000"}']
    for body in bodies:
        headers = {"content-type": content_type} if content_type else None
        await house.nc.jetstream().publish(SUBJECT, body, headers=headers)
    await house.press(house.done(id="behind them"))
    await house.settle()
    assert await house.changes() == ["task.updated"]
    letters = await house.dead()
    assert [letter.data or b"" for letter in letters] == bodies
    reasons = [(letter.headers or {})[REASON] for letter in letters]
    assert all(reason.startswith("no command: ") and "secret" not in reason for reason in reasons)


async def test_failed_command_leaves_no_trace_that_it_was_done(house: House) -> None:
    task = uuid4()
    await house.press(house.done(task=task))
    await house.settle()
    assert await house.rows("select * from idempotency") == []


async def test_command_waits_until_the_database_can_do_it(house: House) -> None:
    await house.owner.execute("alter table tasks rename to gone")
    await house.press(house.done())
    async with house.lane():

        async def tried() -> bool:
            info = await house.nc.jetstream().consumer_info(Stream.COMMANDS, Durable.COMMANDS)
            return (info.num_pending, info.num_ack_pending) == (0, 1)

        await until(tried)
        await house.owner.execute("alter table gone rename to tasks")
        await house.until_settled()
    assert await house.changes() == ["task.updated"]
    assert await house.dead() == []


async def test_command_that_cannot_be_buried_now_is_buried_later(house: House) -> None:
    await house.nc.jetstream().delete_stream(Stream.DEAD)
    await house.nc.jetstream().publish(SUBJECT, b"no command")
    async with house.lane():

        async def refused() -> bool:
            info = await house.nc.jetstream().consumer_info(Stream.COMMANDS, Durable.COMMANDS)
            return (info.num_pending, info.num_ack_pending) == (0, 1)

        await until(refused)
        await streams.declare(house.nc.jetstream())
        await house.until_settled()
    assert len(await house.dead()) == 1


async def test_command_that_is_sent_round_again_and_fails_again_is_buried_again(house: House) -> None:
    unknown = house.done(task=uuid4())
    await house.press(unknown, unknown)
    await house.settle()
    assert len(await house.dead()) == 2


async def test_change_and_its_mark_are_one_transaction(house: House) -> None:
    await house.press(house.done())
    await house.settle()
    [mark] = await house.rows("select * from idempotency")
    assert mark["key"] == "command:press-1"
    assert json.loads(mark["request"])["actor"] == "anna"


async def test_every_subscriber_acknowledges_by_hand(house: House) -> None:
    async with house.lane() as broker:
        assert [subscriber.ack_policy for subscriber in broker.subscribers] == [AckPolicy.MANUAL]
