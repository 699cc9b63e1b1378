"""pipelines/lanes/requeue.py: a letter goes back once, to where it came from, whoever is away and whatever dies."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import nats
import psycopg
import pytest
from faststream import AckPolicy
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.js.api import RawStreamMsg
from psycopg_pool import AsyncConnectionPool

from deploy import streams
from deploy.local.permissions import inbox_prefix
from pipelines.commit import Pool
from pipelines.lanes.requeue import attach
from pipelines.relay import encode
from pipelines.store import dead, outbox
from schemas import subjects
from schemas.commands import Command
from schemas.dead import DeadState, dead_letter_id
from schemas.events import EventType
from schemas.subjects import Durable, Stream
from tests.asking import Conn, rows, told
from tests.making import NOON, raw
from tests.waiting import until

SUBJECT = "raw.default.telegram.chat"
ROOT = Path(__file__).parents[3]


@dataclass
class House:
    """The lane's surroundings; ``url`` is NATS as the lane's own user."""

    nc: Client
    owner: Conn
    pool: Pool
    url: str
    buried: int = 0

    @asynccontextmanager
    async def lane(self) -> AsyncIterator[NatsBroker]:
        broker = NatsBroker(self.url, inbox_prefix=inbox_prefix("requeue"), logger=None, graceful_timeout=1.0)
        attach(broker, self.pool, inbox_prefix=inbox_prefix("requeue"))
        async with broker:
            await broker.start()
            yield broker

    async def bury(self, body: bytes, *, subject: str = SUBJECT) -> UUID:
        self.buried += 1
        letter = dead_letter_id(subject, "persist", body)
        await dead.keep(
            self.owner,
            letter=letter,
            subject=subject,
            stage="persist",
            reason="no",
            body=body,
            at=NOON,
            seq=self.buried,
        )
        return letter

    async def ask(self, *letters: UUID) -> None:
        """Ask as the api does, and tell as the relay does."""
        for letter in letters:
            async with self.owner.transaction():
                await dead.requeue(self.owner, "default", letter, actor="owner")
        await self.tell()

    async def tell(self) -> None:
        for event in await outbox.pending(self.owner, limit=1_000):
            if event.type == EventType.DEAD_REQUEUED:
                await self.nc.jetstream().publish(subjects.results(event.workspace, event.type), encode(event, 1))
        await self.owner.execute("delete from outbox")

    async def settle(self) -> None:
        """Run the lane until all that was asked for is acknowledged."""
        async with self.lane():
            await self.until_settled()

    async def until_settled(self) -> None:
        await until(self.settled, what="the wishes to be acknowledged")

    async def settled(self) -> bool:
        info = await self.nc.jetstream().consumer_info(Stream.RESULTS, Durable.REQUEUE)
        return (info.num_pending, info.num_ack_pending) == (0, 0)

    async def tried(self) -> bool:
        info = await self.nc.jetstream().consumer_info(Stream.RESULTS, Durable.REQUEUE)
        return (info.num_pending, info.num_ack_pending) == (0, 1) and (info.num_redelivered or 0) > 0

    async def sent(self, stream: Stream = Stream.RAW) -> list[RawStreamMsg]:
        js = self.nc.jetstream()
        state = (await js.stream_info(stream)).state
        return [await js.get_msg(stream, seq=seq) for seq in range(max(1, state.first_seq), state.last_seq + 1)]

    async def state(self, letter: UUID) -> DeadState:
        return (await dead.get(self.owner, "default", letter)).state


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
        yield House(nc, owner, pool, nats_urls("requeue"))
    await nc.close()


def message(number: int = 1) -> bytes:
    return raw(str(number)).model_dump_json().encode()


async def test_letter_goes_back_with_its_bytes_under_a_new_id_and_is_noted(house: House) -> None:
    letter = await house.bury(message())
    old = raw("1").message_id
    await house.nc.jetstream().publish(SUBJECT, message(), headers={"Nats-Msg-Id": old})
    await house.ask(letter)
    await house.settle()
    [_, again] = await house.sent()
    assert (again.subject, again.data) == (SUBJECT, message())
    held = await dead.get(house.owner, "default", letter)
    assert (held.state, (again.headers or {})["Nats-Msg-Id"]) == (DeadState.SENT, str(held.requeue))
    [event] = await told(house.owner, "dead.sent")
    assert (event["actor"], event["data"]["id"]) == ("requeue", str(letter))


async def test_edited_bytes_go_in_place_of_the_original_ones(house: House) -> None:
    letter = await house.bury(b"garbage")
    await dead.edit(house.owner, "default", letter, message(), actor="owner", version=1)
    await house.ask(letter)
    await house.settle()
    assert [each.data for each in await house.sent()] == [message()]


async def test_command_goes_back_to_the_commands(house: House) -> None:
    command = Command(id="1", actor="anna", task=uuid4()).model_dump_json().encode()
    letter = await house.bury(command, subject="commands.default.telegram")
    await house.ask(letter)
    await house.settle()
    assert [each.data for each in await house.sent(Stream.COMMANDS)] == [command]
    assert await house.sent() == []


async def test_wish_that_comes_again_sends_nothing_again(house: House) -> None:
    letter = await house.bury(message())
    await house.ask(letter)
    await house.settle()
    js = house.nc.jetstream()
    await js.delete_consumer(Stream.RESULTS, Durable.REQUEUE)
    await js.purge_stream(Stream.RAW)  # so that a second one could not hide behind its id
    await js.add_consumer(Stream.RESULTS, streams.consumer_config(Durable.REQUEUE))
    await house.settle()
    assert await house.sent() == []
    assert len(await told(house.owner, "dead.sent")) == 1


async def test_letter_that_was_edited_or_dropped_since_does_not_go(house: House) -> None:
    edited, dropped = await house.bury(message(1)), await house.bury(message(2))
    await house.ask(edited, dropped)
    await dead.edit(house.owner, "default", edited, message(3), actor="owner", version=None)
    await dead.drop(house.owner, "default", dropped, actor="owner")
    await house.settle()
    assert await house.sent() == []
    assert await house.state(edited) is DeadState.WAITING


async def test_letter_that_went_and_could_not_be_noted_is_in_the_stream_once(house: House) -> None:
    letter = await house.bury(message())
    await house.ask(letter)
    await house.owner.execute("alter table outbox rename to away")
    async with house.lane():
        await until(house.tried, what="a second try")
        assert len(await house.sent()) == 1
        assert await house.state(letter) is DeadState.ASKED
        await house.owner.execute("alter table away rename to outbox")
        await house.until_settled()
    assert len(await house.sent()) == 1
    assert await house.state(letter) is DeadState.SENT
    assert len(await told(house.owner, "dead.sent")) == 1


async def test_letter_waits_for_the_stream_that_it_goes_to(house: House) -> None:
    letter = await house.bury(message())
    await house.ask(letter)
    await house.nc.jetstream().delete_stream(Stream.RAW)
    async with house.lane():
        await until(house.tried, what="a second try")
        assert await house.state(letter) is DeadState.ASKED
        await until(lambda: declared(house), what="the stream")
        await house.until_settled()
    assert len(await house.sent()) == 1


async def declared(house: House) -> bool:
    try:
        await streams.declare(house.nc.jetstream())
    except nats.js.errors.APIError:  # the server still removes the folder of the old one
        return False
    return True


async def test_letter_waits_for_the_database(house: House) -> None:
    letter = await house.bury(message())
    await house.ask(letter)
    await house.owner.execute("alter table dead_letters rename to away")
    async with house.lane():
        await until(house.tried, what="a second try")
        await house.owner.execute("alter table away rename to dead_letters")
        await house.until_settled()
    assert await house.state(letter) is DeadState.SENT
    assert len(await house.sent()) == 1


@pytest.mark.parametrize("body", [b"", b"null", b"garbage", b'{"data": {}}', b"[" * 5_000])
async def test_event_that_nobody_can_read_is_buried_and_holds_up_no_other(house: House, body: bytes) -> None:
    await house.nc.jetstream().publish(subjects.results("default", EventType.DEAD_REQUEUED), body)
    letter = await house.bury(message())
    await house.ask(letter)
    await house.settle()
    assert await house.state(letter) is DeadState.SENT
    [found] = await house.sent(Stream.DEAD)
    assert (found.subject, found.data or b"") == ("dead.requeue", body)


async def test_other_events_are_not_read(house: House) -> None:
    await house.nc.jetstream().publish(subjects.results("default", EventType.DEAD_BURIED), b"garbage")
    letter = await house.bury(message())
    await house.ask(letter)
    await house.settle()
    assert await house.sent(Stream.DEAD) == []


@pytest.mark.faults
async def test_every_letter_goes_once_though_the_lane_is_killed_again_and_again(
    house: House, postgres_urls: dict[str, str]
) -> None:
    config = streams.consumer_config(Durable.REQUEUE)
    config.ack_wait = 1  # a killed lane's wish comes again that soon
    await house.nc.jetstream().add_consumer(Stream.RESULTS, config)
    letters = [await house.bury(message(number)) for number in range(300)]
    await house.ask(*letters)
    for goal in (20, 120, 200, 300):
        process = await _start(postgres_urls["write"], house.url)
        try:
            await until(partial(_went, house, goal), seconds=30, what=f"{goal} letters")
        finally:
            process.kill()
            await process.wait()
    found = [each.data for each in await house.sent()]
    assert (len(found), set(found)) == (300, {message(number) for number in range(300)})
    assert len(await told(house.owner, "dead.sent")) == 300


async def _start(database: str, broker: str) -> asyncio.subprocess.Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TASKTRACKER_")}
    environment = kept | {"DATABASE_URL": database, "NATS_URL": broker}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.roles", "requeue", cwd=ROOT, env=environment
    )


async def _went(house: House, goal: int) -> bool:
    [found] = await rows(house.owner, "select count(*) from dead_letters where state = 'sent'")
    return bool(found["count"] >= goal)


async def test_every_subscriber_acknowledges_by_hand(house: House) -> None:
    async with house.lane() as broker:
        assert [subscriber.ack_policy for subscriber in broker.subscribers] == [AckPolicy.MANUAL]
