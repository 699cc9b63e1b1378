"""pipelines/relay.py: one dense order, nothing twice, whoever dies in between."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import nats
import psycopg
import pytest
from nats.aio.client import Client

from deploy import streams
from pipelines.relay import Fenced, Results, reconcile, relay
from pipelines.store import events, outbox
from pipelines.store.events import NewEvent
from schemas.events import EventType

Conn = psycopg.AsyncConnection[Any]


@dataclass
class House:
    """A database and a NATS, with what a test asks of both."""

    url: str
    nc: Client

    async def connect(self) -> Conn:
        return await psycopg.AsyncConnection.connect(self.url, autocommit=True)

    @asynccontextmanager
    async def relaying(self) -> AsyncIterator[asyncio.Task[None]]:
        stop = asyncio.Event()
        task = asyncio.create_task(relay(self.connect, self.nc, stop))
        try:
            yield task
        finally:
            stop.set()
            with suppress(asyncio.CancelledError):
                await asyncio.wait_for(task, 5)

    async def published(self) -> list[dict[str, Any]]:
        js = self.nc.jetstream()
        info = await js.stream_info("RESULTS")
        if info.state.messages == 0:
            return []
        seqs = range(info.state.first_seq, info.state.last_seq + 1)
        return [json.loads((await js.get_msg("RESULTS", seq=seq)).data or b"") for seq in seqs]

    async def until(self, count: int, *, seconds: float = 5.0) -> list[dict[str, Any]]:
        deadline = monotonic() + seconds
        while await self._count() < count and monotonic() < deadline:
            await asyncio.sleep(0.02)
        found = await self.published()
        assert len(found) == count
        return found

    async def _count(self) -> int:
        return (await self.nc.jetstream().stream_info("RESULTS")).state.messages


@pytest.fixture
async def house(postgres_urls: dict[str, str], nats_url: str) -> AsyncIterator[House]:
    nc = await nats.connect(nats_url)
    yield House(postgres_urls["write"], nc)
    await nc.close()


def told(number: int, task: UUID | None = None) -> NewEvent:
    return NewEvent("default", EventType.TASK_UPDATED, "test", task, data={"n": number, "text": 'ї " \\ \n'})


async def tell(conn: Conn, *numbers: int) -> None:
    async with conn.transaction():
        await events.append(conn, [told(number) for number in numbers])


async def placed(conn: Conn) -> list[int]:
    rows = await (await conn.execute("select position from positions order by position")).fetchall()
    return [position for (position,) in rows]


@pytest.mark.parametrize("count", [1, 5, 40, 1200])
async def test_events_are_published_densely_in_order_and_whole(house: House, count: int) -> None:
    async with await house.connect() as conn, house.relaying():
        await tell(conn, *range(count))
        found = await house.until(count, seconds=20)
        assert [event["position"] for event in found] == list(range(1, count + 1))
        assert [event["data"]["n"] for event in found] == list(range(count))
        assert found[0]["data"]["text"] == 'ї " \\ \n'
    async with await house.connect() as conn:
        assert await placed(conn) == list(range(1, count + 1))
        assert await outbox.pending(conn, limit=1) == []


async def test_relay_is_woken_and_does_not_wait_for_its_poll(house: House) -> None:
    async with await house.connect() as conn, house.relaying():
        await tell(conn, 0)
        await house.until(1)
        took = []
        for number in range(1, 11):
            begun = monotonic()
            await tell(conn, number)
            await house.until(number + 1)
            took.append(monotonic() - begun)
        assert sorted(took)[5] < 0.3  # the poll alone would take half a second at the median


async def test_an_open_transaction_elsewhere_is_not_waited_for(house: House) -> None:
    async with await house.connect() as slow, await house.connect() as quick, house.relaying():
        async with slow.transaction():
            await events.append(slow, [told(1)])
            await tell(quick, 2)
            [found] = await house.until(1)
            assert (found["position"], found["data"]["n"]) == (1, 2)
        second = (await house.until(2))[1]
        assert (second["position"], second["data"]["n"]) == (2, 1)


async def test_events_of_one_task_keep_their_order_with_interleaved_writers(house: House) -> None:
    async with await house.connect() as conn:
        task = uuid4()
        await conn.execute(
            "insert into tasks (id, workspace, number, title, category, priority) "
            "values (%s, 'default', 1, 't', 'bug', 'low')",
            [task],
        )

    async def writer() -> None:
        async with await house.connect() as conn:
            for _ in range(60):
                async with conn.transaction():
                    rows = await conn.execute("select version from tasks where id = %s for update", [task])
                    [(version,)] = await rows.fetchall()
                    await conn.execute("update tasks set version = version + 1 where id = %s", [task])
                    await events.append(conn, [told(version, task)])

    async with house.relaying():
        await asyncio.gather(writer(), writer())
        found = await house.until(120, seconds=15)
    assert [event["data"]["n"] for event in found] == list(range(1, 121))


@pytest.mark.parametrize("count", [3, 30])
async def test_death_between_publish_and_mark_leaves_no_duplicate(house: House, count: int) -> None:
    async with await house.connect() as conn:
        await tell(conn, *range(count))
        results = Results(house.nc)
        await results.catch_up()
        pending = await outbox.pending(conn, limit=100)
        await results.append(list(enumerate(pending, start=1)))  # and here the relay is killed: nothing is marked
        await tell(conn, count)
    async with house.relaying():
        found = await house.until(count + 1)
    assert [event["position"] for event in found] == list(range(1, count + 2))
    assert len({event["id"] for event in found}) == count + 1
    async with await house.connect() as conn:
        assert await placed(conn) == list(range(1, count + 2))


async def test_leader_that_was_replaced_unnoticed_cannot_publish(house: House) -> None:
    async with await house.connect() as conn:
        await tell(conn, 1, 2)
        sleeper = Results(house.nc)
        await sleeper.catch_up()
        pending = await outbox.pending(conn, limit=10)
        async with house.relaying():
            await house.until(2)
        with pytest.raises(Fenced):
            await sleeper.append([(1, pending[0])])
        assert len(await house.published()) == 2


@pytest.mark.parametrize("lose", ["purge", "delete"])
async def test_results_are_rebuilt_from_the_events(house: House, lose: str) -> None:
    async with await house.connect() as conn, house.relaying():
        await tell(conn, *range(20))
        before = await house.until(20)
    js = house.nc.jetstream()
    if lose == "purge":
        await js.purge_stream("RESULTS")
    else:
        await js.delete_stream("RESULTS")
        await streams.declare(js)
    async with await house.connect() as conn:
        await reconcile(conn, Results(house.nc))
    assert await house.until(20) == before


async def test_stand_by_takes_over_within_five_seconds(house: House) -> None:
    async with await house.connect() as conn, house.relaying():
        await tell(conn, 1)
        await house.until(1)
        async with house.relaying():
            rows = await conn.execute("select pid from pg_locks where locktype = 'advisory' and granted")
            [(leader,)] = await rows.fetchall()
            await _terminate(house, leader)
            begun = monotonic()
            await tell(conn, 2)
            await house.until(2)
            assert monotonic() - begun < 5


async def _terminate(house: House, pid: int) -> None:
    async with await house.connect() as conn:
        await conn.execute("select pg_terminate_backend(%s)", [pid])
