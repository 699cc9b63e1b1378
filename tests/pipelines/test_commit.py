"""pipelines/commit.py: commit, then ack; one bad message is buried alone, and an outage costs nothing."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from time import monotonic
from typing import Any

import nats
import psycopg
import pytest
from nats.aio.client import Client
from nats.js.api import RawStreamMsg
from psycopg import sql
from psycopg_pool import AsyncConnectionPool

from deploy import streams
from deploy.local.permissions import inbox_prefix
from deploy.local.postgres import SUPERUSER, Postgres
from pipelines.burial import REASON, SUBJECT
from pipelines.carry import Carried, Delivery, carried, decode
from pipelines.commit import Committer, Item, Pool, Stopped
from pipelines.intake import Intake
from pipelines.stages.classify import classify
from pipelines.stages.extract import extract
from pipelines.stages.normalize import normalize
from pipelines.store import sources
from schemas.messages import Message, RawMessage
from schemas.subjects import Durable
from schemas.verdicts import Category, DecidedBy, Verdict
from tests.making import raw
from tests.waiting import until

POISON = "poison"


def judge(batch: list[Message]) -> list[Verdict]:
    """Find work everywhere; of poison say what PostgreSQL cannot keep."""
    reasons = ["holds a \x00" if POISON in message.text else "asks for something" for message in batch]
    return [Verdict(Category.CHORE, 0.8, DecidedBy.RULE, "fake@1", reason) for reason in reasons]


def judged(deliveries: Sequence[Delivery]) -> list[Item]:
    raws = carried("decode", decode)([Carried(delivery, delivery) for delivery in deliveries])
    messages = carried("normalize", normalize)(raws)
    classified = carried("classify", partial(classify, judge=judge))(messages)
    return carried("extract", partial(extract, time_zone=lambda _: UTC))(classified)


@dataclass
class House:
    """Everything that a committer works with, and what a test asks of it."""

    admin: Client
    flow: Client
    owner: psycopg.AsyncConnection[Any]
    pool: Pool
    intake: Intake
    committer: Committer

    async def send(self, *messages: RawMessage) -> None:
        js = self.admin.jetstream()
        for message in messages:
            subject = f"raw.{message.workspace}.{message.channel}.{message.source}"
            await js.publish(subject, message.model_dump_json().encode())

    async def taken(self, count: int) -> list[Item]:
        """Take all that waits, in one batch, once there are ``count``."""
        await until(lambda: self.intake.waiting >= count)
        return judged(self.intake.take())

    async def rows(self) -> list[str]:
        found = await self.owner.execute("select external_id from messages order by external_id")
        return [external_id for (external_id,) in await found.fetchall()]

    async def told(self) -> int:
        found = await self.owner.execute("select count(*) from events where type like 'message.%'")
        [(count,)] = await found.fetchall()
        return int(count)

    async def spent(self) -> tuple[int, int]:
        """Tell how many messages are not acknowledged, and how many were delivered again."""
        info = await self.admin.jetstream().consumer_info("RAW", Durable.LIVE)
        return info.num_ack_pending or 0, info.num_redelivered or 0

    async def settled(self) -> None:
        async def none() -> bool:
            return (await self.spent())[0] == 0

        await until(none, what="all to be acknowledged")

    async def dead(self) -> list[RawStreamMsg]:
        js = self.admin.jetstream()
        last = (await js.stream_info("DEAD")).state.last_seq
        return [await js.get_msg("DEAD", seq=seq) for seq in range(1, last + 1)]

    async def reasons(self) -> list[str]:
        return [(letter.headers or {})[REASON] for letter in await self.dead()]


@asynccontextmanager
async def replica(
    nats_urls: Callable[[str], str], ack_wait: float = 20, keep_alive: float = 6.0
) -> AsyncIterator[tuple[Client, Intake]]:
    nc = await nats.connect(nats_urls("flow"), inbox_prefix=inbox_prefix("flow"))
    consumers = {name: streams.consumer_config(name) for name in (Durable.LIVE, Durable.BULK)}
    consumers[Durable.LIVE].ack_wait = ack_wait
    intake = Intake(nc, consumers, keep_alive_seconds=keep_alive)
    await intake.start()
    try:
        yield nc, intake
    finally:
        await intake.close()
        await nc.close()


@pytest.fixture
async def house(postgres_urls: dict[str, str], nats_url: str, nats_urls: Callable[[str], str]) -> AsyncIterator[House]:
    admin = await nats.connect(nats_url)
    await admin.jetstream().delete_consumer("RAW", Durable.LIVE)  # made anew, with the ack_wait of the test
    owner = await psycopg.AsyncConnection.connect(postgres_urls["migrate"], autocommit=True)
    async with owner.transaction():
        await sources.ensure(owner, "default", "chat", "telegram")
    async with (
        owner,
        AsyncConnectionPool(
            postgres_urls["write"],
            connection_class=psycopg.AsyncConnection[Any],
            kwargs={"autocommit": True, "connect_timeout": 2},
            check=AsyncConnectionPool.check_connection,
            min_size=1,
            max_size=2,
            timeout=0.5,
            open=False,
        ) as pool,
        replica(nats_urls, ack_wait=1.0, keep_alive=0.3) as (flow, intake),
    ):
        yield House(admin, flow, owner, pool, intake, Committer(pool, flow, intake, stop_seconds=0.5))
    await admin.close()


def several(count: int) -> list[RawMessage]:
    return [raw(f"{number:03}") for number in range(count)]


def ids(count: int, *without: int) -> list[str]:
    return [f"{number:03}" for number in range(count) if number not in without]


async def test_batch_is_stored_told_and_acknowledged(house: House) -> None:
    await house.send(*several(40))
    await house.committer.commit(await house.taken(40))
    assert await house.rows() == ids(40)
    await house.settled()
    assert (await house.told(), await house.dead()) == (40, [])


async def test_empty_batch_is_nothing(house: House) -> None:
    await house.committer.commit([])
    assert await house.rows() == []


@asynccontextmanager
async def broken(house: House, breaking: str, mending: str) -> AsyncIterator[None]:
    await house.owner.execute(breaking.encode())
    yield
    await house.owner.execute(mending.encode())


OUTAGES = {
    "ProgrammingError": ("alter table messages rename to gone", "alter table gone rename to messages"),
    "InsufficientPrivilege": (
        "revoke insert on messages from tasktracker_write",
        "grant insert on messages to tasktracker_write",
    ),
    "ReadOnlySqlTransaction": (
        "do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); "
        "perform pg_terminate_backend(pid) from pg_stat_activity where usename = 'tasktracker_write' "
        "and datname = current_database(); end $$",
        "do $$ begin set transaction read write; "
        "execute format('alter database %I reset default_transaction_read_only', current_database()); "
        "perform pg_terminate_backend(pid) from pg_stat_activity where usename = 'tasktracker_write' "
        "and datname = current_database(); end $$",
    ),
}


@pytest.mark.parametrize("outage", OUTAGES)
async def test_nothing_is_acknowledged_or_buried_while_it_cannot_be_stored(house: House, outage: str) -> None:
    await house.send(*several(20))
    async with broken(house, *OUTAGES[outage]):
        batch = await house.taken(20)
        committing = asyncio.create_task(house.committer.commit(batch))
        done, _ = await asyncio.wait({committing}, timeout=0.4)  # it would be done by then: the time is what is tested
        assert not done
        assert house.committer.trouble.error is not None
        assert await house.spent() == (20, 0)
        assert await house.dead() == []
    await asyncio.wait_for(committing, 10)
    assert house.committer.trouble.error is None
    assert await house.rows() == ids(20)
    await house.settled()
    assert await house.spent() == (0, 0)


@pytest.mark.parametrize("place", [0, 17])
async def test_poison_is_found_and_buried_and_the_others_are_stored(house: House, place: int) -> None:
    messages = several(40)
    messages[place] = raw(f"{place:03}", POISON)
    await house.send(*messages)
    await house.committer.commit(await house.taken(40))
    assert await house.rows() == ids(40, place)
    await house.settled()
    [letter] = await house.dead()
    headers = letter.headers or {}
    assert letter.subject == "dead.persist"
    assert headers[SUBJECT] == "raw.default.telegram.chat"
    assert headers[REASON].startswith("UntranslatableCharacter: ")
    assert letter.data == messages[place].model_dump_json().encode()


async def test_several_poisons_are_each_buried_once(house: House) -> None:
    messages = [raw(f"{number:03}", POISON if number % 3 == 0 else "please ship") for number in range(12)]
    await house.send(*messages)
    batch = await house.taken(12)
    await house.committer.commit(batch)
    await house.committer.commit(batch)  # a redelivery
    assert await house.rows() == ids(12, 0, 3, 6, 9)
    assert [json.loads(letter.data or b"")["external_id"] for letter in await house.dead()] == ids(10, 1, 2, 4, 5, 7, 8)


async def test_nul_deep_in_a_payload_is_poison(house: House) -> None:
    await house.send(raw("000"), raw("001", payload={"deep": ["\x00"]}))
    await house.committer.commit(await house.taken(2))
    assert await house.rows() == ["000"]
    assert len(await house.dead()) == 1


async def test_message_beyond_a_limit_of_postgres_is_poison_and_no_outage(house: House) -> None:
    await house.owner.execute("create index too_narrow on messages (text)")
    incompressible = "".join(chr(0x400 + number * 7919 % 5_000) for number in range(5_000))
    await house.send(raw("000"), raw("001", incompressible))
    await asyncio.wait_for(house.committer.commit(await house.taken(2)), 5)
    assert await house.rows() == ["000"]
    [reason] = await house.reasons()
    assert reason.startswith("ProgramLimitExceeded")


async def test_message_of_a_source_that_nobody_registered_is_buried(house: House) -> None:
    await house.send(raw("000"), raw("001", source="other"), raw("002", channel="slack"), raw("003", workspace="acme"))
    await house.committer.commit(await house.taken(4))
    assert await house.rows() == ["000"]
    await house.settled()
    assert sorted(await house.reasons()) == [
        "acme/chat/003: no source chat of channel telegram in workspace acme",
        "default/chat/002: no source chat of channel slack in workspace default",
        "default/other/001: no source other of channel telegram in workspace default",
    ]


async def test_refusal_of_an_earlier_stage_is_buried_with_its_bytes(house: House) -> None:
    await house.admin.jetstream().publish("raw.default.telegram.chat", b"\xff no message")
    await house.send(raw("000"))
    await house.committer.commit(await house.taken(2))
    assert await house.rows() == ["000"]
    await house.settled()
    [letter] = await house.dead()
    assert (letter.subject, letter.data) == ("dead.decode", b"\xff no message")


async def test_nothing_is_acknowledged_while_a_refusal_cannot_be_buried(house: House) -> None:
    await house.admin.jetstream().publish("raw.default.telegram.chat", b"no message")
    await house.send(raw("000"))
    batch = await house.taken(2)
    await house.admin.jetstream().delete_stream("DEAD")
    committing = asyncio.create_task(house.committer.commit(batch))
    done, _ = await asyncio.wait({committing}, timeout=0.5)  # the time is what is tested
    assert not done
    assert await house.spent() == (2, 0)
    await streams.declare(house.admin.jetstream())
    await asyncio.wait_for(committing, 10)
    await house.settled()
    assert len(await house.dead()) == 1


class Away:
    """Keep everybody out of the database of a test, and let them in again."""

    def __init__(self, server: Postgres, database: str) -> None:
        self._url = server.url(SUPERUSER, "postgres")
        self._database = database

    def shut(self) -> None:
        self._allow("false")
        self._run("select pg_terminate_backend(pid) from pg_stat_activity where datname = {}", sql.Literal)

    def open(self) -> None:
        self._allow("true")

    def _allow(self, value: str) -> None:
        self._run(f"alter database {{}} allow_connections {value}", sql.Identifier)

    def _run(self, statement: str, quote: Callable[[str], sql.Composable]) -> None:
        with psycopg.connect(self._url, autocommit=True) as conn:
            conn.execute(sql.SQL(statement).format(quote(self._database)))


@pytest.fixture
def away(postgres_server: Postgres, postgres_urls: dict[str, str]) -> Away:
    return Away(postgres_server, postgres_urls["write"].rpartition("/")[2])


async def reconnected(house: House, url: str) -> None:
    house.owner = await psycopg.AsyncConnection.connect(url, autocommit=True)


async def test_database_that_goes_away_costs_no_delivery_and_nothing_is_stored_twice(
    house: House, away: Away, postgres_urls: dict[str, str]
) -> None:
    await house.send(*several(30))
    batch = await house.taken(30)
    away.shut()
    committing = [asyncio.create_task(house.committer.commit(part)) for part in (batch[:20], batch[20:])]
    done, _ = await asyncio.wait(committing, timeout=1.5)  # longer than ack_wait: the time is what is tested
    assert not done
    assert await house.spent() == (30, 0)
    away.open()
    await asyncio.wait_for(asyncio.gather(*committing), 15)
    await house.settled()
    assert await house.spent() == (0, 0)
    async with await psycopg.AsyncConnection.connect(postgres_urls["migrate"], autocommit=True) as house.owner:
        assert await house.rows() == ids(30)
        assert (await house.told(), await house.dead()) == (30, [])


async def test_stop_while_the_database_is_away_is_in_time_and_the_next_replica_has_the_messages(
    house: House, away: Away, nats_urls: Callable[[str], str], postgres_urls: dict[str, str]
) -> None:
    await house.send(*several(30))
    batch = await house.taken(30)
    away.shut()
    committing = [asyncio.create_task(house.committer.commit(part)) for part in (batch[:10], batch[10:20], batch[20:])]
    done, _ = await asyncio.wait(committing, timeout=0.5)
    assert not done
    begun = monotonic()
    house.intake.stop()
    outcomes = await asyncio.wait_for(asyncio.gather(*committing, return_exceptions=True), 10)
    assert [type(outcome) for outcome in outcomes] == [Stopped] * 3
    assert monotonic() - begun < 4  # the limit of half a second, a delay between attempts, no limit for each batch
    await house.intake.close()
    away.open()
    async with replica(nats_urls) as (flow, intake):
        await until(lambda: intake.waiting == 30)
        await Committer(house.pool, flow, intake).commit(judged(intake.take()))
        await house.settled()
    async with await psycopg.AsyncConnection.connect(postgres_urls["migrate"], autocommit=True) as house.owner:
        assert (await house.rows(), await house.told()) == (ids(30), 30)


async def test_stop_does_not_wait_for_a_database_that_does_not_answer(house: House) -> None:
    await house.send(*several(5))
    batch = await house.taken(5)
    async with house.owner.transaction():
        await house.owner.execute("lock table messages in access exclusive mode")
        committing = asyncio.create_task(house.committer.commit(batch))
        done, _ = await asyncio.wait({committing}, timeout=0.3)
        assert not done
        begun = monotonic()
        house.intake.stop()
        with pytest.raises(Stopped):
            await asyncio.wait_for(committing, 10)
        assert monotonic() - begun < 3
    assert await house.rows() == []


async def test_stop_lets_a_commit_under_way_finish(house: House) -> None:
    await house.send(*several(5))
    batch = await house.taken(5)
    held = asyncio.Event()

    async def hold() -> None:
        async with house.owner.transaction():
            await house.owner.execute("lock table messages in access exclusive mode")
            held.set()
            await until(house.intake.stopping.is_set)

    holding = asyncio.create_task(hold())
    await held.wait()
    committing = asyncio.create_task(house.committer.commit(batch))
    threading.Timer(0.2, house.intake.stop).start()
    await asyncio.wait_for(asyncio.gather(holding, committing), 10)
    assert await house.rows() == ids(5)
    await house.settled()
