"""pipelines/lanes/bury.py: every dead letter becomes a row and an event, once, however long the database is away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import nats
import psycopg
import pytest
from faststream import AckPolicy
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.js.errors import NotFoundError
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from deploy.local.permissions import inbox_prefix
from deploy.streams import consumer_config
from pipelines.burial import Letter, bury, letter
from pipelines.commit import Pool
from pipelines.durables import watch
from pipelines.lanes.bury import attach
from schemas.dead import dead_letter_id
from schemas.subjects import Durable, Stream
from tests.waiting import until

SUBJECT = "raw.default.telegram.chat"


@dataclass
class House:
    """The lane's surroundings."""

    nc: Client
    owner: psycopg.AsyncConnection[Any]
    pool: Pool
    url: str

    @asynccontextmanager
    async def lane(self) -> AsyncIterator[NatsBroker]:
        broker = NatsBroker(self.url, inbox_prefix=inbox_prefix("lanes"), logger=None, graceful_timeout=1.0)
        attach(broker, self.pool, inbox_prefix=inbox_prefix("lanes"))
        async with broker:
            await broker.start()
            yield broker

    async def rows(self, query: str) -> list[dict[str, Any]]:
        async with self.owner.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query.encode())
            return await cursor.fetchall()

    async def letters(self) -> list[dict[str, Any]]:
        return await self.rows("select * from dead_letters order by first_at, stream_seq")

    async def events(self) -> list[dict[str, Any]]:
        return await self.rows("select * from events where type = 'dead.buried' order by seq")

    async def is_anew(self) -> bool:
        try:
            await self.nc.jetstream().consumer_info(Stream.DEAD, Durable.BURY)
        except NotFoundError:
            return False
        return True

    async def until_settled(self) -> None:
        js = self.nc.jetstream()
        last = (await js.stream_info(Stream.DEAD)).state.last_seq

        async def settled() -> bool:
            floor = (await js.consumer_info(Stream.DEAD, Durable.BURY)).ack_floor
            return floor is not None and floor.stream_seq == last

        await until(settled, what="the dead letters to be acknowledged")


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
        yield House(nc, owner, pool, nats_urls("lanes"))
    await nc.close()


def dead(body: bytes = b"\x00\xff not JSON", *, subject: str = SUBJECT, reason: str = "no raw message") -> Letter:
    return letter(subject, body, stage="decode", reason=reason)


async def test_dead_letter_becomes_a_row_and_an_event(house: House) -> None:
    await bury(house.nc, dead())
    async with house.lane():
        await house.until_settled()
    [row], [event] = await house.letters(), await house.events()
    assert row["id"] == dead_letter_id(SUBJECT, "decode", b"\x00\xff not JSON")
    assert (row["workspace"], row["subject"], row["stage"], row["reason"], row["body"], row["tries"]) == (
        "default",
        SUBJECT,
        "decode",
        "no raw message",
        b"\x00\xff not JSON",
        1,
    )
    assert event["data"] == {
        "id": str(row["id"]),
        "stage": "decode",
        "reason": "no raw message",
        "subject": SUBJECT,
        "tries": 1,
    }


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain", "nonsense"])
async def test_any_body_is_kept_as_it_is(house: House, content_type: str | None) -> None:
    bodies = [b"", b"null", b'{"a": 1}', b"[" * 5_000, b"\xff", "текст".encode()]
    for body in bodies:
        given = dead(body)
        extra = {"content-type": content_type} if content_type else {}
        await bury(house.nc, Letter(given.subject, given.body, given.headers | extra))
    async with house.lane():
        await house.until_settled()
    assert [row["body"] for row in await house.letters()] == bodies


async def test_letter_without_headers_is_kept(house: House) -> None:
    await house.nc.jetstream().publish("dead.somewhere", b"by hand")
    async with house.lane():
        await house.until_settled()
    [row] = await house.letters()
    assert (row["subject"], row["stage"], row["reason"]) == ("dead.somewhere", "somewhere", "no reason given")


async def test_redelivery_adds_nothing(house: House) -> None:
    await bury(house.nc, dead())
    async with house.lane():
        await house.until_settled()
    js = house.nc.jetstream()
    config = (await js.consumer_info(Stream.DEAD, Durable.BURY)).config
    await js.delete_consumer(Stream.DEAD, Durable.BURY)
    await js.add_consumer(Stream.DEAD, config)
    async with house.lane():
        await house.until_settled()
    assert [row["tries"] for row in await house.letters()] == [1]
    assert len(await house.events()) == 1


async def test_durable_that_is_deleted_while_the_lane_runs_is_made_anew(house: House) -> None:
    js, stop, config = house.nc.jetstream(), asyncio.Event(), consumer_config(Durable.BURY)
    async with house.lane(), asyncio.TaskGroup() as group:
        group.create_task(watch(js, Stream.DEAD, Durable.BURY, config, stop, every_seconds=0.1))
        await bury(house.nc, dead(b"first"))
        await house.until_settled()
        await js.delete_consumer(Stream.DEAD, Durable.BURY)
        await bury(house.nc, dead(b"second"))
        await until(house.is_anew, what="the durable to be there")
        await house.until_settled()
        stop.set()
    assert [(row["body"], row["tries"]) for row in await house.letters()] == [(b"first", 1), (b"second", 1)]
    made = (await js.consumer_info(Stream.DEAD, Durable.BURY)).config
    assert (made.max_ack_pending, made.ack_wait) == (config.max_ack_pending, config.ack_wait)


async def test_letter_that_died_again_is_one_row_with_two_tries(house: House) -> None:
    given = dead()
    async with house.lane():
        await bury(house.nc, given)
        await house.until_settled()
        again = dead(reason="still none")
        await bury(house.nc, Letter(again.subject, again.body, again.headers | {"Nats-Msg-Id": "of a later day"}))
        await house.until_settled()
    [row] = await house.letters()
    assert (row["tries"], row["reason"]) == (2, "still none")
    assert len(await house.events()) == 2


async def test_letter_is_kept_when_the_database_is_back_and_holds_up_no_other(house: House) -> None:
    await house.owner.execute("alter table dead_letters rename to gone")
    await bury(house.nc, dead(b"first"))
    await bury(house.nc, dead(b"second"))
    async with house.lane():

        async def tried() -> bool:
            info = await house.nc.jetstream().consumer_info(Stream.DEAD, Durable.BURY)
            return (info.num_pending, info.num_ack_pending) == (0, 2)

        await until(tried)
        await house.owner.execute("alter table gone rename to dead_letters")
        await house.until_settled()
    assert [row["body"] for row in await house.letters()] == [b"first", b"second"]
    assert len(await house.events()) == 2


async def test_every_subscriber_acknowledges_by_hand(house: House) -> None:
    async with house.lane() as broker:
        assert [subscriber.ack_policy for subscriber in broker.subscribers] == [AckPolicy.MANUAL]
