"""pipelines/dataflow.py: every delivery reaches the sink, and real messages end as rows, once, whatever stops."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import nats
import psycopg
import pytest
from bytewax._bytewax import run_main
from bytewax.testing import TestingSink, TestingSource
from nats.aio.client import Client
from psycopg_pool import AsyncConnectionPool

from deploy import streams
from deploy.local.permissions import inbox_prefix
from pipelines.bridge import Bridge
from pipelines.carry import Carried, Delivery, Refusal
from pipelines.commit import Committer, Pool
from pipelines.dataflow import build
from pipelines.intake import Intake
from pipelines.judges import rules
from pipelines.sink import Commits
from pipelines.source import Deliveries
from pipelines.store import sources
from schemas.messages import RawMessage
from schemas.subjects import Durable
from schemas.tasks import Extracted
from schemas.verdicts import Category
from tests.making import raw
from tests.waiting import until

WORK = "The login page crashes when I press Enter, please fix it by Friday"
TALK = "thanks, see you tomorrow"
SUBJECT = "raw.default.telegram.chat"


def delivered(body: bytes) -> Carried[Delivery]:
    delivery = Delivery(f"reply to {len(body)}", SUBJECT, body)
    return Carried(delivery, delivery)


def test_good_and_malformed_deliveries_both_reach_the_sink() -> None:
    sent = [delivered(body) for body in (body_of(raw("1", WORK)), b"{", body_of(raw("2", TALK)), b"")]
    reached: list[Carried[Extracted]] = []
    flow = build(TestingSource(sent, batch_size=4), TestingSink(reached), judge=rules.judge, time_zone=lambda _: UTC)
    run_main(flow)  # type: ignore[no-untyped-call]  # compiled, and its stub is bare
    assert [item.delivery for item in reached] == [item.delivery for item in sent]
    work, broken, talk, empty = [item.value for item in reached]
    assert isinstance(work, Extracted)
    assert work.verdict.category is Category.BUG
    assert len(work.tasks) == 1
    assert isinstance(talk, Extracted)
    assert talk.tasks == ()
    assert isinstance(broken, Refusal)
    assert isinstance(empty, Refusal)
    assert broken.stage == empty.stage == "decode"


def body_of(message: RawMessage) -> bytes:
    return message.model_dump_json(exclude_none=True).encode()


@dataclass
class House:
    """A flow and its surroundings."""

    admin: Client
    owner: psycopg.AsyncConnection[Any]
    pool: Pool
    nats_urls: Callable[[str], str]

    @asynccontextmanager
    async def flowing(
        self, *, stop_seconds: float = 2.0, drain_seconds: float = 2.0
    ) -> AsyncIterator[tuple[Intake, "asyncio.Task[None]"]]:
        """Run the flow as the role does, but in a thread and on the loop of the test; it is stopped at the end."""
        nc = await nats.connect(self.nats_urls("flow"), inbox_prefix=inbox_prefix("flow"))
        durables = {name: streams.consumer_config(name) for name in (Durable.LIVE, Durable.BULK)}
        intake = Intake(nc, durables, drain_seconds=drain_seconds)
        committer = Committer(self.pool, nc, intake, stop_seconds=stop_seconds)
        sink = Commits(Bridge(asyncio.get_running_loop()), committer)
        flow = build(Deliveries(intake), sink, judge=rules.judge, time_zone=lambda _: UTC)
        await intake.start()
        running = asyncio.create_task(asyncio.to_thread(run_main, flow))
        try:
            yield intake, running
        finally:
            intake.stop()
            await asyncio.wait_for(running, 10)
            await intake.close()
            await nc.close()

    async def send(self, *messages: RawMessage, subject: str = SUBJECT) -> None:
        js = self.admin.jetstream()
        sending = (js.publish(subject, body_of(message)) for message in messages)
        await asyncio.gather(*sending)

    async def count(self, table: str) -> int:
        found = await self.owner.execute(f"select count(*) from {table}".encode())
        [(count,)] = await found.fetchall()
        return int(count)

    async def until(self, table: str, count: int) -> None:
        async def enough() -> bool:
            return await self.count(table) == count

        await until(enough, what=f"{count} {table}")

    async def until_acknowledged(self, count: int) -> None:
        async def all_of_them() -> bool:
            infos = [await self.admin.jetstream().consumer_info("RAW", name) for name in (Durable.LIVE, Durable.BULK)]
            acknowledged = sum(info.ack_floor.consumer_seq for info in infos if info.ack_floor)
            return acknowledged >= count and not any(info.num_ack_pending for info in infos)

        await until(all_of_them, what=f"{count} to be acknowledged")


@pytest.fixture
async def house(postgres_urls: dict[str, str], nats_url: str, nats_urls: Callable[[str], str]) -> AsyncIterator[House]:
    admin = await nats.connect(nats_url)
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
            await sources.ensure(owner, "default", "chat", "telegram")
        yield House(admin, owner, pool, nats_urls)
    await admin.close()


async def test_real_messages_end_as_rows_and_tasks(house: House) -> None:
    async with house.flowing():
        await house.send(raw("1", WORK), raw("2", TALK))
        await house.send(raw("3", WORK, origin="import"), subject="bulk.default.telegram.chat")
        await house.admin.jetstream().publish(SUBJECT, b"no message")
        await house.until("messages", 3)
        await house.until_acknowledged(4)
        assert await house.count("tasks") == 2
    dead = await house.admin.jetstream().stream_info("DEAD")
    assert dead.state.messages == 1


async def test_same_messages_again_change_nothing(house: House) -> None:
    messages = [raw(str(number), WORK) for number in range(20)]
    async with house.flowing():
        await house.send(*messages)
        await house.until("messages", 20)
        await house.until_acknowledged(20)
        before = [await house.count(table) for table in ("tasks", "events", "verdicts", "revisions")]
        await house.send(*messages)
        await house.until_acknowledged(40)
        assert [await house.count(table) for table in ("tasks", "events", "verdicts", "revisions")] == before


async def test_stop_finishes_all_that_is_held_so_that_nothing_has_to_come_again(house: House) -> None:
    await house.send(*(raw(str(number), TALK) for number in range(1_500)))
    async with house.flowing(drain_seconds=30) as (intake, _):
        await until(lambda: intake.waiting > 0)

    async def settled() -> bool:  # NATS applies acknowledgements after it has received them
        info = await house.admin.jetstream().consumer_info("RAW", Durable.LIVE)
        assert info.num_redelivered == 0
        return info.num_ack_pending == 0 and await house.count("messages") + (info.num_pending or 0) == 1_500

    await until(settled, what="all that was held to be stored and acknowledged")


async def test_stop_in_a_hurry_finishes_what_is_in_the_flow_and_leaves_the_rest_to_the_next(house: House) -> None:
    sent = 1_500
    await house.send(*(raw(str(number), TALK) for number in range(sent)))
    async with house.flowing(drain_seconds=0) as (intake, _):
        await until(lambda: intake.waiting > 0)
    first = await house.count("messages")
    assert first < sent

    async def acknowledged() -> bool:
        info = await house.admin.jetstream().consumer_info("RAW", Durable.LIVE)
        assert info.delivered
        return bool(info.delivered.consumer_seq - (info.num_ack_pending or 0) == first)

    await until(acknowledged, what="what is stored, and nothing else, to be acknowledged")
    async with house.flowing():
        await house.until("messages", sent)  # sooner than ack_wait: they were given back
        await house.until_acknowledged(sent)
    assert await house.count("events where type = 'message.processed'") == sent


async def test_two_replicas_share_the_work_and_nothing_is_done_twice(house: House) -> None:
    await house.send(*(raw(str(number), WORK) for number in range(600)))
    async with house.flowing(), house.flowing():
        await house.until("messages", 600)
        await house.until_acknowledged(600)
    assert await house.count("tasks") == 600
    assert await house.count("events where type = 'message.processed'") == 600


async def test_stop_while_nothing_can_be_stored_ends_the_flow_in_order(house: House) -> None:
    await house.owner.execute("alter table messages rename to gone")
    async with house.flowing(stop_seconds=0.3) as (intake, running):
        for number in (1, 2):  # one commit is under way, and the flow waits for it

            async def taken(number: int = number) -> bool:
                info = await house.admin.jetstream().consumer_info("RAW", Durable.LIVE)
                return info.num_ack_pending == number and intake.waiting == 0

            await house.send(raw(str(number), TALK))
            await until(taken)
        intake.stop()
        await asyncio.wait_for(asyncio.shield(running), 5)
    await house.owner.execute("alter table gone rename to messages")
    assert await house.count("messages") == 0
