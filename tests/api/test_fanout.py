"""api/fanout.py: one order, no gap, no duplicate, whatever happens to RESULTS."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import nats
import psycopg
import pytest
from nats.aio.client import Client
from psycopg_pool import AsyncConnectionPool

from api.fanout import Fanout, FellBehind, Frame, Pool, Subscription, frame_of_body, frame_of_event
from api.queries import events as queries
from deploy import streams
from deploy.local.nats import Nats
from pipelines.relay import relay
from pipelines.store import events
from pipelines.store.events import NewEvent
from schemas.events import Event, EventType
from schemas.subjects import Durable
from tests.making import NOON
from tests.waiting import until

ALL: frozenset[str] = frozenset()


@dataclass
class House:
    """A database, NATS as user api, and a relay as in production."""

    nc: Client
    admin: Client
    read: Pool
    write_url: str
    told: int = 0
    taken: list[int] = field(default_factory=list)

    async def connect(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(self.write_url, autocommit=True)

    @asynccontextmanager
    async def relaying(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        task = asyncio.create_task(relay(self.connect, self.admin, stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(task, 5)

    async def tell(self, count: int, *, workspace: str = "default") -> None:
        async with await self.connect() as conn, conn.transaction():
            numbers = range(self.told, self.told + count)
            new = [NewEvent(workspace, EventType.SOURCE_UPDATED, "test", data={"n": n}) for n in numbers]
            await events.append(conn, new)
        self.told += count

    async def stored(self) -> int:
        async with self.read.connection() as conn:
            return await queries.newest_position(conn)

    @asynccontextmanager
    async def following(self, fanout: Fanout) -> AsyncIterator[None]:
        """Collect the positions that a subscriber is told, from now."""
        with fanout.subscribe("default", ALL, after=await known(fanout)) as subscription:

            async def take() -> None:
                while True:
                    self.taken.append((await subscription.next()).position)

            task = asyncio.create_task(take())
            try:
                yield
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def until_taken(self, upto: int, *, seconds: float = 10.0) -> None:
        await until(lambda: bool(self.taken) and self.taken[-1] >= upto, seconds=seconds, what=f"position {upto}")


@pytest.fixture
async def house(postgres_urls: dict[str, str], nats_url: str, nats_urls: Callable[[str], str]) -> AsyncIterator[House]:
    refused: list[Exception] = []

    async def note(error: Exception) -> None:
        if "permissions" in str(error):
            refused.append(error)

    nc = await nats.connect(nats_urls("api"), inbox_prefix="_INBOX_api", error_cb=note, reconnect_time_wait=0.1)
    admin = await nats.connect(nats_url, reconnect_time_wait=0.1)
    async with AsyncConnectionPool(
        postgres_urls["read"], connection_class=psycopg.AsyncConnection[Any], kwargs={"autocommit": True}, open=False
    ) as read:
        yield House(nc, admin, read, postgres_urls["write"])
    await nc.close()
    await admin.close()
    assert refused == []  # the api's user may do all that it tries


async def test_events_are_told_once_and_in_order_from_now(house: House, caplog: pytest.LogCaptureFixture) -> None:
    async with house.relaying(), Fanout(house.nc, missing=house.read) as fanout:
        async with house.following(fanout):
            for _ in range(6):
                await house.tell(100)
            await house.until_taken(600)
        assert house.taken == list(range(1, 601))
        assert fanout.position == 600
    assert "begins again" not in caplog.text  # not even where one pull ends and the next begins


@pytest.mark.parametrize("lose", ["nothing", "the stream"])
async def test_reader_that_starts_late_begins_at_the_newest(house: House, lose: str) -> None:
    async with house.relaying():
        await house.tell(30)
        await until(lambda: _is(house.stored(), 30))
        if lose == "the stream":
            await house.admin.jetstream().purge_stream("RESULTS")
        async with Fanout(house.nc, missing=house.read) as fanout:
            assert await known(fanout) == 30
            assert fanout.remembers(30)
            assert not fanout.remembers(29)


async def test_consumer_that_is_deleted_is_made_anew(house: House) -> None:
    js = house.admin.jetstream()
    async with house.relaying(), Fanout(house.nc, missing=house.read) as fanout, house.following(fanout):
        await house.tell(20)
        await house.until_taken(20)
        for consumer in await js.consumers_info("RESULTS"):
            await js.delete_consumer("RESULTS", consumer.name)
        await house.tell(20)
        await house.until_taken(40)
        assert house.taken == list(range(1, 41))


async def test_reading_goes_on_when_nats_was_killed(house: House, nats_server: Nats) -> None:
    async with house.relaying(), Fanout(house.nc, missing=house.read) as fanout, house.following(fanout):
        await house.tell(20)
        await house.until_taken(20)
        nats_server.kill()
        nats_server.start()
        await house.tell(20)
        await house.until_taken(40, seconds=20)
        assert house.taken == list(range(1, 41))


@pytest.mark.parametrize("lose", ["purge", "delete"])
async def test_rebuilt_stream_brings_no_duplicate_and_no_gap(house: House, lose: str) -> None:
    js = house.admin.jetstream()
    async with Fanout(house.nc, missing=house.read) as fanout:
        async with house.relaying(), house.following(fanout):
            await house.tell(50)
            await house.until_taken(50)
            await until(lambda: _is(house.stored(), 50))
        if lose == "purge":
            await js.purge_stream("RESULTS")
        else:
            await js.delete_stream("RESULTS")
            await streams.declare(js)
        async with house.relaying(), house.following(fanout):  # it begins by publishing the 50 again
            await house.tell(5)
            await house.until_taken(55, seconds=20)
        assert house.taken == list(range(1, 56))


async def test_positions_that_never_came_are_read_from_the_database(house: House) -> None:
    js = house.admin.jetstream()
    async with Fanout(house.nc, missing=house.read) as fanout, house.following(fanout):
        async with house.relaying():
            await house.tell(1)
            await house.until_taken(1)
        # These are placed, but purged before anybody reads them.
        await js.purge_stream("RESULTS")
        await house.tell(700)
        async with await house.connect() as conn:
            await conn.execute("insert into positions (position, seq) select seq, seq from outbox")
            await conn.execute("delete from outbox")
            [(body,)] = await (await conn.execute(_LAST_AS_JSON)).fetchall()
        await js.publish("results.default.source.updated", body.encode())
        await house.until_taken(701)
    assert house.taken == list(range(1, 702))


_LAST_AS_JSON = """
select json_build_object('v', 1, 'id', id, 'position', position, 'workspace', workspace, 'type', type, 'at', at,
                         'actor', actor, 'task', task, 'message', message, 'data', data)::text
from positions join events using (seq) order by position desc limit 1
"""


@pytest.mark.parametrize("when", ["before", "while"])
async def test_what_is_no_event_is_passed_over(house: House, when: str) -> None:
    js = house.admin.jetstream()
    async with AsyncExitStack() as stack:
        if when == "while":
            fanout = await stack.enter_async_context(Fanout(house.nc, missing=house.read))
            await known(fanout)
        for body in (b"", b"[]", b"{}", b'{"position": null}', b"\xff"):
            await js.publish("results.default.task.created", body)
        if when == "before":
            fanout = await stack.enter_async_context(Fanout(house.nc, missing=house.read))
        async with house.following(fanout):
            event = Event(id=uuid4(), position=1, workspace="default", type=EventType.TASK_CREATED, at=NOON, actor="a")
            await js.publish("results.default.task.created", event.model_dump_json().encode())
            await house.until_taken(1)


async def test_closing_is_quick_and_leaves_no_consumer(house: House) -> None:
    async with Fanout(house.nc, missing=house.read) as fanout:
        await known(fanout)
        lanes = {durable for durable in Durable if streams.stream_of(durable) == "RESULTS"}
        assert len(await consumers(house) - lanes) == 1
        begun = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - begun < 1
    assert fanout.closing.is_set()
    assert await consumers(house) == lanes


async def consumers(house: House) -> set[str]:
    return {info.name for info in await house.admin.jetstream().consumers_info("RESULTS")}


async def test_reading_waits_for_a_stream_that_is_not_there_yet(house: House, caplog: pytest.LogCaptureFixture) -> None:
    js = house.admin.jetstream()
    await js.delete_stream("RESULTS")
    async with Fanout(house.nc, missing=house.read) as fanout:
        await until(lambda: "begins again" in caplog.text)
        assert fanout.position is None
        await streams.declare(js)
        assert await known(fanout) == 0


def frame(position: int, *, workspace: str = "default", kind: str = "task.created") -> Frame:
    return Frame(position, workspace, kind, "{}")


async def test_subscriber_that_falls_behind_is_told_so_and_keeps_nothing() -> None:
    subscription = Subscription("default", ALL, 0, backlog=[frame(1)], queue=2)
    for position in (2, 3, 4, 5):
        subscription.offer(frame(position))
    with pytest.raises(FellBehind):
        await subscription.next()


async def test_subscriber_gets_what_it_asked_for_only() -> None:
    subscription = Subscription("default", {"task.created"}, 2, backlog=[frame(2), frame(3)], queue=9)
    for offered in (frame(4, workspace="other"), frame(5, kind="task.updated"), frame(6)):
        subscription.offer(offered)
    assert [(await subscription.next()).position for _ in range(2)] == [3, 6]


def test_frame_wraps_the_body_as_it_is_and_as_the_database_tells_it() -> None:
    event = Event.model_validate(
        {"id": uuid4(), "position": 7, "workspace": "w", "type": "task.created", "at": "2026-11-19T12:00:00Z"}
        | {"actor": "a", "data": {"text": 'ї " \\ \n'}}
    )
    body = event.model_dump_json()
    assert frame_of_body(body.encode()) == frame_of_event(event)
    assert frame_of_event(event).text == f'{{"type":"event","position":7,"event":{body}}}'


async def known(fanout: Fanout) -> int:
    return await asyncio.wait_for(fanout.known(), 10)


async def _is(found: Any, wanted: int) -> bool:
    return bool(await found == wanted)
