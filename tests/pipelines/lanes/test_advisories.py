"""pipelines/lanes/advisories.py: what a durable gave up becomes a dead letter with its original bytes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import nats
import nats.errors
import nats.js.errors
import psycopg
import pytest
from faststream import AckPolicy
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.js.api import ConsumerConfig
from psycopg_pool import AsyncConnectionPool

from deploy.local.permissions import inbox_prefix
from deploy.streams import consumer_config
from pipelines.burial import bury, letter
from pipelines.commit import Pool
from pipelines.lanes import advisories
from pipelines.lanes import bury as burying
from schemas.subjects import GIVEN_UP, Durable, Stream
from tests.asking import Conn, rows
from tests.waiting import until

ADVISORY = GIVEN_UP.replace(">", "{}.{}")


@dataclass
class House:
    """The surroundings of the role bury."""

    nc: Client
    conn: Conn
    pool: Pool
    url: str

    @asynccontextmanager
    async def role(self) -> AsyncIterator[NatsBroker]:
        prefix = inbox_prefix("lanes")
        broker = NatsBroker(self.url, inbox_prefix=prefix, logger=None, graceful_timeout=1.0)
        burying.attach(broker, self.pool, inbox_prefix=prefix)
        advisories.attach(broker, self.pool, inbox_prefix=prefix)
        async with broker:
            await broker.start()
            yield broker

    async def letters(self) -> list[dict[str, Any]]:
        return await rows(self.conn, "select * from dead_letters order by stream_seq")

    async def count(self, number: int) -> bool:
        return len(await self.letters()) == number

    async def told(self) -> int:
        """Count the advisories that nobody has read."""
        return (await self.nc.jetstream().consumer_info(Stream.DEAD, Durable.ADVISORIES)).num_pending or 0

    async def give_up(self, stream: Stream, durable: Durable) -> None:
        """Have a durable that gives up after the second delivery, and hand it its one message as often as that."""
        config: ConsumerConfig = consumer_config(durable)
        config.max_deliver, config.ack_wait = 2, 0.1
        js, before = self.nc.jetstream(), await self.told()
        await js.add_consumer(stream, config)
        subscription = await js.pull_subscribe_bind(durable, stream)

        async def given_up() -> bool:
            with suppress(nats.errors.Error, nats.js.errors.Error, TimeoutError):  # how a fetch says: nothing came
                for message in await subscription.fetch(10, timeout=0.3):
                    await message.nak()
            return await self.told() == before + 1

        await until(given_up, what="the durable to give up")
        await subscription.unsubscribe()


@pytest.fixture
async def house(postgres_urls: dict[str, str], nats_url: str, nats_urls: Callable[[str], str]) -> AsyncIterator[House]:
    nc = await nats.connect(nats_url)
    async with (
        await psycopg.AsyncConnection.connect(postgres_urls["write"], autocommit=True) as conn,
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
        yield House(nc, conn, pool, nats_urls("lanes"))
    await nc.close()


async def test_message_that_a_durable_gave_up_is_a_dead_letter_with_its_bytes(house: House) -> None:
    await house.nc.jetstream().publish("raw.acme.webhook.ci", b"\x00\xff whole")
    await house.nc.jetstream().publish("commands.acme.telegram", b"press")
    await house.give_up(Stream.RAW, Durable.LIVE)
    await house.give_up(Stream.COMMANDS, Durable.COMMANDS)
    async with house.role():
        await until(lambda: house.count(2), what="the dead letters")
    found = [
        (row["workspace"], row["subject"], row["stage"], row["body"], row["tries"]) for row in await house.letters()
    ]
    assert found == [
        ("acme", "raw.acme.webhook.ci", "deliver", b"\x00\xff whole", 1),
        ("acme", "commands.acme.telegram", "deliver", b"press", 1),
    ]
    [first, _] = await house.letters()
    assert first["reason"] == "durable flow-live of RAW gave it up after 2 deliveries"


async def test_dead_letter_that_could_not_be_stored_keeps_where_it_came_from(house: House) -> None:
    await bury(house.nc, letter("raw.acme.webhook.ci", b"x", stage="persist", reason="no"))
    await house.give_up(Stream.DEAD, Durable.BURY)
    async with house.role():
        await until(lambda: house.count(1), what="the dead letter")
    [row] = await house.letters()
    assert (row["subject"], row["stage"], row["body"]) == ("raw.acme.webhook.ci", "deliver", b"x")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"garbage", "an advisory that nobody can read"),
        (
            b'{"stream": "RAW", "consumer": "flow-live", "stream_seq": 7, "deliveries": 3}',
            "durable flow-live of RAW gave it up after 3 deliveries; it is not in RAW any more",
        ),
        (
            b'{"stream": "THEIRS", "consumer": "c", "stream_seq": 7, "deliveries": 3}',
            "durable c of THEIRS gave it up after 3 deliveries; THEIRS is none of ours",
        ),
    ],
)
async def test_advisory_whose_message_cannot_be_had_is_kept_itself(house: House, body: bytes, reason: str) -> None:
    await house.nc.jetstream().publish(ADVISORY.format("RAW", "flow-live"), body)
    async with house.role():
        await until(lambda: house.count(1), what="the dead letter")
    [row] = await house.letters()
    assert (row["workspace"], row["body"], row["reason"]) == ("default", body, reason)


async def test_advisory_is_kept_until_it_can_be_followed(house: House) -> None:
    await house.nc.jetstream().publish("raw.acme.webhook.ci", b"x")
    await house.give_up(Stream.RAW, Durable.LIVE)
    assert await house.letters() == []
    async with house.role():
        await until(lambda: house.count(1), what="the dead letter")


async def test_every_subscriber_acknowledges_by_hand(house: House) -> None:
    async with house.role() as broker:
        assert [subscriber.ack_policy for subscriber in broker.subscribers] == [AckPolicy.MANUAL] * 2
