"""pipelines/intake.py: live first, nothing forgotten, nothing spent while we hold it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import nats
import pytest
from nats.aio.client import Client

from deploy import streams
from pipelines.carry import Delivery
from pipelines.intake import BULK_BATCH, Intake
from schemas.subjects import Durable
from tests.waiting import until


@pytest.fixture
async def admin(nats_url: str) -> AsyncIterator[Client]:
    nc = await nats.connect(nats_url)
    yield nc
    await nc.close()


@asynccontextmanager
async def intake(nats_urls: Callable[[str], str], **waits: float) -> AsyncIterator[Intake]:
    nc = await nats.connect(nats_urls("flow"), inbox_prefix="_INBOX_flow")
    consumers = {name: streams.consumer_config(name) for name in (Durable.LIVE, Durable.BULK)}
    for config in consumers.values():
        config.ack_wait = waits.get("ack_wait", 20)
    made = Intake(nc, consumers, keep_alive_seconds=waits.get("keep_alive", 6.0))
    await made.start()
    try:
        yield made
    finally:
        await made.close()
        await nc.close()


async def publish(nc: Client, subject: str, *bodies: str) -> None:
    js = nc.jetstream()
    for body in bodies:
        await js.publish(subject, body.encode())


async def take(intake: Intake, count: int, *, seconds: float = 10.0) -> list[Delivery]:
    taken: list[Delivery] = []

    def enough() -> bool:
        taken.extend(intake.take(count - len(taken)))
        return len(taken) >= count

    await until(enough, seconds=seconds, what=f"{count} messages")
    return taken


def bodies(deliveries: list[Delivery]) -> list[str]:
    return [delivery.body.decode() for delivery in deliveries]


async def pending(nc: Client, durable: Durable) -> int:
    return (await nc.jetstream().consumer_info("RAW", durable)).num_ack_pending or 0


async def test_live_messages_come_before_bulk_ones(admin: Client, nats_urls: Callable[[str], str]) -> None:
    await publish(admin, "bulk.default.files.x", "b1", "b2")
    await publish(admin, "raw.default.api.x", "l1", "l2")
    async with intake(nats_urls) as held:
        await until(lambda: held.waiting == 4)
        assert bodies(held.take()) == ["l1", "l2"]
        assert bodies(held.take()) == ["b1", "b2"]


async def test_import_is_handed_out_in_small_batches_so_that_a_fresh_message_waits_for_few(
    admin: Client, nats_urls: Callable[[str], str]
) -> None:
    await publish(admin, "bulk.default.files.x", *map(str, range(BULK_BATCH + 50)))
    async with intake(nats_urls) as held:
        await until(lambda: held.waiting == BULK_BATCH + 50)
        assert len(held.take()) == BULK_BATCH
        await publish(admin, "raw.default.api.x", "fresh")
        await until(lambda: held.waiting == 51)
        assert bodies(held.take()) == ["fresh"]


async def test_every_message_is_taken_once_and_acknowledged(admin: Client, nats_urls: Callable[[str], str]) -> None:
    sent = [str(number) for number in range(3_000)]
    await asyncio.gather(*(publish(admin, "raw.default.api.x", *sent[i::8]) for i in range(8)))
    async with intake(nats_urls) as held:
        taken = await take(held, 3_000)
        assert sorted(bodies(taken)) == sorted(sent)
        await held.acknowledge(taken)

        async def none_pending() -> bool:
            return await pending(admin, Durable.LIVE) == 0

        await until(none_pending)
        assert held.take() == []


async def test_what_is_held_long_is_never_delivered_twice(admin: Client, nats_urls: Callable[[str], str]) -> None:
    await admin.jetstream().delete_consumer("RAW", Durable.LIVE)
    await publish(admin, "raw.default.api.x", "slow")
    async with intake(nats_urls, ack_wait=1.0, keep_alive=0.3) as held:
        [taken] = await take(held, 1)
        await asyncio.sleep(2.5)  # longer than ack_wait: the time itself is what is tested
        info = await admin.jetstream().consumer_info("RAW", Durable.LIVE)
        assert (info.num_redelivered, held.take()) == (0, [])
        await held.acknowledge([taken])


async def test_without_keep_alive_it_would_be_delivered_again(admin: Client, nats_urls: Callable[[str], str]) -> None:
    await admin.jetstream().delete_consumer("RAW", Durable.LIVE)
    await publish(admin, "raw.default.api.x", "slow")
    async with intake(nats_urls, ack_wait=1.0, keep_alive=3600.0) as held:
        first = await take(held, 1)
        again = await take(held, 1)
        assert bodies(first) == bodies(again) == ["slow"]


async def test_durable_that_was_deleted_is_made_anew(admin: Client, nats_urls: Callable[[str], str]) -> None:
    async with intake(nats_urls) as held:
        await publish(admin, "raw.default.api.x", "before")
        await held.acknowledge(await take(held, 1))
        await admin.jetstream().delete_consumer("RAW", Durable.LIVE)
        await publish(admin, "raw.default.api.x", "after")
        assert bodies(await take(held, 2, seconds=15)) == ["before", "after"]  # from the start: the key decides


async def test_what_was_not_settled_goes_to_another_replica_at_once(
    admin: Client, nats_urls: Callable[[str], str]
) -> None:
    await publish(admin, "raw.default.api.x", "1", "2", "3")
    async with intake(nats_urls) as first:
        await until(lambda: first.waiting == 3)
        assert bodies(first.take(1)) == ["1"]  # taken by a flow that could not store it before it had to stop
    async with intake(nats_urls) as second:
        assert sorted(bodies(await take(second, 3, seconds=5))) == ["1", "2", "3"]


async def test_only_so_many_messages_are_held(admin: Client, nats_urls: Callable[[str], str]) -> None:
    await asyncio.gather(*(publish(admin, "bulk.default.files.x", *map(str, range(400))) for _ in range(8)))
    async with intake(nats_urls) as held:
        await until(lambda: held.waiting == 1_000)
        await asyncio.sleep(0.5)  # would go on filling if it could
        assert held.waiting == 1_000
