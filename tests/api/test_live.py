"""api/routes/live.py: what a client sees on its WebSocket, over a real server, NATS, PostgreSQL and relay."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import nats
import psycopg
import pytest
import uvicorn
from nats.aio.client import Client as NatsClient
from nats.js import JetStreamContext
from prometheus_client import REGISTRY
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from api.fanout import Fanout, Pool
from api.queries import events as queries
from api.routes.live import live
from deploy import streams
from pipelines.relay import relay
from pipelines.store import events
from pipelines.store.events import NewEvent
from schemas.events import EventType
from schemas.subjects import Durable
from tests.waiting import until

Json = dict[str, Any]


@dataclass
class House:
    """Everything between an event and a WebSocket; ``fanout`` and ``address`` exist while it serves."""

    api: NatsClient
    admin: NatsClient
    read: Pool
    write_url: str
    fanout: Fanout | None = None
    address: str = ""
    server: uvicorn.Server | None = None
    told: int = 0

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

    @asynccontextmanager
    async def serving(
        self, *, send_seconds: float = 10.0, read: Pool | None = None, **sizes: int
    ) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            fanout = self.fanout = await stack.enter_async_context(Fanout(self.api, missing=self.read, **sizes))

            async def ws(websocket: WebSocket) -> None:
                asked = websocket.query_params
                after = int(asked["after"]) if "after" in asked else None
                epoch = UUID(asked["epoch"]) if "epoch" in asked else None
                types = frozenset(filter(None, asked.get("types", "").split(",")))
                pool = read or self.read
                await live(websocket, fanout, pool, "default", after, epoch, types, send_seconds=send_seconds)

            app = Starlette(routes=[WebSocketRoute("/ws", ws)])
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            config = uvicorn.Config(
                app, ws="websockets-sansio", ws_per_message_deflate=False, lifespan="off", log_config=None
            )
            config.timeout_graceful_shutdown = 3
            server = self.server = _Server(config)
            task = asyncio.create_task(server.serve(sockets=[listener]))
            self.address = f"ws://127.0.0.1:{listener.getsockname()[1]}/ws"
            await until(lambda: server.started)
            try:
                yield
            finally:
                server.should_exit = True
                await asyncio.wait_for(task, 10)

    @asynccontextmanager
    async def client(self, **query: Any) -> AsyncIterator["Client"]:
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        async with connect(f"{self.address}?{asked}", compression=None, close_timeout=1, proxy=None) as opened:
            client = Client(opened)
            client.hello = await client.frame()
            assert client.hello["type"] == "hello"
            yield client

    async def tell(self, count: int, *, kind: EventType = EventType.SOURCE_UPDATED, padding: int = 0) -> None:
        async with await self.connect() as conn, conn.transaction():
            numbers = range(self.told + 1, self.told + count + 1)
            data = [{"n": number, "padding": "x" * padding} for number in numbers]
            await events.append(conn, [NewEvent("default", kind, "test", data=each) for each in data])
        self.told += count

    async def until_placed(self, position: int) -> None:
        async def placed() -> bool:
            async with self.read.connection() as conn:
                return await queries.newest_position(conn) >= position

        await until(placed, what=f"position {position} in the database")

    async def epoch(self) -> UUID:
        async with self.read.connection() as conn:
            return await queries.epoch(conn)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Client:
    """A WebSocket client with the frames that it reads."""

    def __init__(self, opened: ClientConnection) -> None:
        self.opened = opened
        self.hello: Json = {}

    async def frame(self) -> Json:
        async with asyncio.timeout(10):
            found: Json = json.loads(await self.opened.recv())
        return found

    async def frames(self, count: int) -> list[Json]:
        return [await self.frame() for _ in range(count)]

    async def positions(self, count: int) -> list[int]:
        found = await self.frames(count)
        assert all(frame["type"] == "event" and frame["event"]["position"] == frame["position"] for frame in found)
        return [frame["position"] for frame in found]

    async def closed(self) -> tuple[int | None, list[int]]:
        """Read to the end; return the code, and the positions read before it."""
        seen = []
        try:
            while True:
                seen.append((await self.frame())["position"])
        except ConnectionClosed as error:
            return error.rcvd.code if error.rcvd else None, seen


@pytest.fixture
async def house(postgres_urls: dict[str, str], nats_url: str, nats_urls: Callable[[str], str]) -> AsyncIterator[House]:
    api = await nats.connect(nats_urls("api"), inbox_prefix="_INBOX_api")
    admin = await nats.connect(nats_url)
    async with AsyncConnectionPool(
        postgres_urls["read"], connection_class=psycopg.AsyncConnection[Any], kwargs={"autocommit": True}, open=False
    ) as read:
        yield House(api, admin, read, postgres_urls["write"])
    await api.close()
    await admin.close()


def span(first: int, last: int) -> list[int]:
    return list(range(first, last + 1))


async def test_every_event_arrives_once_in_order_from_now(house: House) -> None:
    async with house.relaying(), house.serving():
        await house.tell(5)
        await house.until_placed(5)
        async with house.client() as one:
            now = one.hello["position"]
            assert one.hello["epoch"] == str(await house.epoch())
            async with house.client() as two:
                for _ in range(4):
                    await house.tell(50)
                assert await one.positions(205 - now) == span(now + 1, 205)
                first = two.hello["position"]
                assert await two.positions(205 - first) == span(first + 1, 205)


@pytest.mark.parametrize("ring", [2_000, 3], ids=["from memory", "from the database"])
async def test_resuming_gives_exactly_what_was_missed(house: House, ring: int) -> None:
    async with house.relaying(), house.serving(ring=ring):
        async with house.client() as client:
            assert client.hello["position"] == 0
            await house.tell(10)
            assert await client.positions(10) == span(1, 10)
        await house.tell(1_200)
        await house.until_placed(1_210)
        async with house.client(after=10, epoch=client.hello["epoch"]) as client:
            missed = await client.frames(1_200)
            assert [frame["position"] for frame in missed] == span(11, 1_210)
            assert [frame["event"]["data"]["n"] for frame in missed] == span(11, 1_210)
            await house.tell(3)
            assert await client.positions(3) == span(1_211, 1_213)


async def test_resuming_while_events_flow_has_no_seam(house: House) -> None:
    async with house.relaying(), house.serving(ring=40):
        await house.tell(400)
        await house.until_placed(400)

        async def flow() -> None:
            for _ in range(30):
                await house.tell(20)

        flowing = asyncio.create_task(flow())
        async with house.client(after=0) as one, house.client(after=390) as two:
            assert await one.positions(1_000) == span(1, 1_000)
            assert await two.positions(610) == span(391, 1_000)
        await flowing


async def test_events_from_memory_and_from_the_database_are_the_same(house: House) -> None:
    async with house.relaying():
        async with house.serving(), house.client() as client:
            await house.tell(4)
            live_frames = await client.frames(4)
        await house.until_placed(4)
        async with house.serving(), house.client(after=0) as client:
            stored_frames = await client.frames(4)
    moment = [frame["event"].pop("at").replace("+00:00", "Z") for frame in live_frames]
    assert moment == [frame["event"].pop("at") for frame in stored_frames]
    assert live_frames == stored_frames


@pytest.mark.parametrize("stale", [{"after": 5, "epoch": str(uuid4())}, {"after": 6}, {"after": 2**62}])
async def test_position_that_means_nothing_here_is_answered_with_resync(house: House, stale: Json) -> None:
    async with house.relaying(), house.serving():
        await house.tell(5)
        await house.until_placed(5)
        await until(lambda: house.fanout is not None and house.fanout.position == 5)
        async with house.client(**stale) as client:
            assert client.hello["position"] == 5
            assert await client.frame() == {"type": "resync"}
            await house.tell(2)
            assert await client.positions(2) == [6, 7]


@pytest.mark.parametrize(("query", "seen"), [({}, [2, 3]), ({"after": 0}, [2, 3])])
async def test_only_the_types_asked_for_are_sent(house: House, query: Json, seen: list[int]) -> None:
    async with house.relaying(), house.serving(ring=1):
        if "after" in query:
            await _mixed(house)
            await house.until_placed(4)
        async with house.client(types="task.created,dead.buried", **query) as client:
            if "after" not in query:
                await _mixed(house)
            assert await client.positions(2) == seen
            await house.tell(1, kind=EventType.TASK_CREATED)
            assert await client.positions(1) == [5]


async def _mixed(house: House) -> None:
    for kind in (EventType.TASK_UPDATED, EventType.TASK_CREATED, EventType.DEAD_BURIED, EventType.TASK_COMMENTED):
        await house.tell(1, kind=kind)


async def test_type_that_does_not_exist_is_refused(house: House) -> None:
    async with house.serving():
        with pytest.raises(InvalidStatus):
            async with house.client(types="task.creatd"):
                pass


@pytest.mark.parametrize("slow", ["queue", "unread"])
async def test_client_that_falls_behind_is_closed_and_others_are_not_delayed(house: House, slow: str) -> None:
    queue, seconds = (50, 10.0) if slow == "queue" else (5_000, 0.5)
    before = closed("behind")
    async with house.relaying(), house.serving(send_seconds=seconds, queue=queue), house.client() as quick:
        address = house.address.removeprefix("ws://").removesuffix("/ws").split(":")
        with socket.socket() as small:
            small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            small.connect((address[0], int(address[1])))
            small.setblocking(False)
            async with connect(
                house.address, sock=small, compression=None, max_queue=1, ping_interval=None, close_timeout=1
            ) as opened:
                sleeper = Client(opened)
                assert (await sleeper.frame())["type"] == "hello"
                for batch in range(30):
                    await house.tell(20, padding=16_000)
                    assert await quick.positions(20) == span(batch * 20 + 1, batch * 20 + 20)
                if slow == "unread":
                    await until(lambda: closed("behind") == before + 1)
                code, seen = await sleeper.closed()
        assert seen == span(1, len(seen))
        assert len(seen) < 600
        assert code == 1013
        await until(lambda: closed("behind") == before + 1)
        await house.tell(1)
        assert await quick.positions(1) == [601]


@pytest.mark.parametrize("lose", ["purge", "delete"])
async def test_rebuilding_the_stream_is_not_seen_by_clients(house: House, lose: str) -> None:
    js = house.admin.jetstream()
    async with house.serving(), house.client() as client:
        async with house.relaying():
            await house.tell(40)
            assert await client.positions(40) == span(1, 40)
            await house.until_placed(40)
        if lose == "purge":
            await js.purge_stream("RESULTS")
        else:
            await js.delete_stream("RESULTS")
            await streams.declare(js)
        async with house.relaying():
            await house.tell(5)
            assert await client.positions(5) == span(41, 45)


async def test_consumer_that_is_deleted_is_not_missed_by_clients(house: House) -> None:
    js = house.admin.jetstream()
    async with house.relaying(), house.serving(), house.client() as client:
        for round_ in range(3):
            await until(lambda: _has_consumer(js))
            [consumer] = await _consumers(js)
            await js.delete_consumer("RESULTS", consumer)
            await house.tell(10)
            assert await client.positions(10) == span(round_ * 10 + 1, round_ * 10 + 10)


async def _has_consumer(js: JetStreamContext) -> bool:
    return bool(await _consumers(js))


async def _consumers(js: JetStreamContext) -> list[str]:
    """Name the consumers of RESULTS that are no lane's."""
    return [info.name for info in await js.consumers_info("RESULTS") if info.name not in set(Durable)]


@pytest.mark.parametrize("how", ["the server stops", "the fan-out closes"])
async def test_stopping_closes_every_socket_with_1012_within_two_seconds(house: House, how: str) -> None:
    before = closed("shutdown")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(house.serving())
        clients = [await stack.enter_async_context(house.client()) for _ in range(3)]
        assert REGISTRY.get_sample_value("tasktracker_websockets") == 3
        assert house.server is not None
        assert house.fanout is not None
        begun = asyncio.get_running_loop().time()
        if how == "the server stops":
            house.server.should_exit = True
        else:
            house.fanout.closing.set()
        assert [await client.closed() for client in clients] == [(1012, [])] * 3
        assert asyncio.get_running_loop().time() - begun < 2
        await until(lambda: closed("shutdown") == before + 3)
        assert REGISTRY.get_sample_value("tasktracker_websockets") == 0


async def test_client_is_sent_away_while_the_database_is(house: House) -> None:
    away: Pool = AsyncConnectionPool(
        "host=127.0.0.1 port=1 connect_timeout=1", timeout=0.2, min_size=0, max_size=1, open=False
    )
    async with away, house.serving(read=away), connect(house.address, proxy=None) as opened:
        assert await Client(opened).closed() == (1013, [])


async def test_client_that_leaves_is_noticed(house: House) -> None:
    before = closed("client")
    async with house.serving():
        async with house.client() as client:
            await client.opened.send("hello?")
            await until(lambda: house.fanout is not None and house.fanout.sockets == 1)
        await until(lambda: closed("client") == before + 1)
        assert house.fanout is not None
        assert house.fanout.sockets == 0


def closed(reason: str) -> float:
    return REGISTRY.get_sample_value("tasktracker_websocket_closed_total", {"reason": reason}) or 0.0
