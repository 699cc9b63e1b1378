"""connectors/publish.py: who gets an answer has it in RAW, many share a batch, and nobody waits for ever."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import RawStreamMsg

from connectors.publish import MAX_BATCH, MIN_BATCH, Publisher
from deploy import streams
from deploy.local.credentials import load_or_create
from deploy.local.nats import Nats
from deploy.local.permissions import inbox_prefix
from schemas.errors import Full, TooLarge, Unavailable
from schemas.messages import RawMessage
from tests.making import raw
from tests.waiting import until


async def _quietly(_: Exception) -> None:
    """Hear of what a test provokes."""


async def connect(url: str, user: str) -> Client:
    return await nats.connect(
        url,
        inbox_prefix=inbox_prefix(user),
        error_cb=_quietly,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.1,
    )


@pytest.fixture
async def admin(nats_url: str) -> AsyncIterator[Client]:
    nc = await connect(nats_url, "admin")
    yield nc
    await nc.close()


@pytest.fixture
async def operator(nats_urls: Callable[[str], str]) -> AsyncIterator[Client]:
    nc = await connect(nats_urls("operator"), "operator")
    yield nc
    await nc.close()


@pytest.fixture
async def publisher(operator: Client) -> AsyncIterator[Publisher]:
    async with Publisher(operator) as made:
        yield made


async def stored(nc: Client) -> list[RawStreamMsg]:
    js = nc.jetstream()
    state = (await js.stream_info("RAW")).state
    if state.messages == 0:
        return []
    seqs = range(state.first_seq, state.last_seq + 1)
    return list(await asyncio.gather(*(js.get_msg("RAW", seq=seq, direct=True) for seq in seqs)))


async def count(nc: Client) -> int:
    return (await nc.jetstream().stream_info("RAW")).state.messages


def ids(found: list[RawStreamMsg]) -> list[str]:
    return sorted(RawMessage.model_validate_json(message.data or b"").external_id for message in found)


async def outcomes(publisher: Publisher, messages: list[RawMessage]) -> list[BaseException | None]:
    """Publish each for a caller of its own, all at once."""
    return list(await asyncio.gather(*(publisher.publish([one]) for one in messages), return_exceptions=True))


def several(number: int, **fields: str) -> list[RawMessage]:
    return [raw(f"{place:05}", **fields) for place in range(number)]


@pytest.mark.parametrize("number", [1, MIN_BATCH - 1, MIN_BATCH, MAX_BATCH, MAX_BATCH + 1])
async def test_messages_are_in_the_stream_when_publish_returns(
    admin: Client, publisher: Publisher, number: int
) -> None:
    await publisher.publish(several(number))
    found = await stored(admin)
    assert {message.subject for message in found} == {"raw.default.telegram.chat"}
    assert ids(found) == [message.external_id for message in several(number)]


async def test_nothing_to_publish_is_done_at_once(admin: Client, publisher: Publisher) -> None:
    await publisher.publish([])
    assert await count(admin) == 0


async def test_many_callers_share_few_batches_and_each_message_is_stored_once(
    admin: Client, publisher: Publisher
) -> None:
    messages = several(2_000)
    assert await outcomes(publisher, messages) == [None] * 2_000
    found = await stored(admin)
    assert ids(found) == [message.external_id for message in messages]
    batches = {(message.headers or {})["Nats-Batch-Id"] for message in found}
    assert 2 <= len(batches) <= 4


async def test_same_live_message_twice_is_stored_once(admin: Client, publisher: Publisher) -> None:
    await publisher.publish([raw("1")])
    await publisher.publish([raw("1")])
    assert await count(admin) == 1


async def test_newer_revision_of_a_message_is_stored_beside_the_old_one(admin: Client, publisher: Publisher) -> None:
    await publisher.publish([raw("1")])
    await publisher.publish([raw("1", kind="edit", revision=1)])
    assert await count(admin) == 2


async def test_known_message_in_a_batch_does_not_keep_the_others_out(admin: Client, publisher: Publisher) -> None:
    messages = several(30)
    await publisher.publish([messages[17]])
    assert await outcomes(publisher, messages) == [None] * 30
    assert ids(await stored(admin)) == [message.external_id for message in messages]


async def test_same_message_twice_in_one_batch_is_stored_once(admin: Client, publisher: Publisher) -> None:
    await publisher.publish([*several(20), *several(20)])
    assert ids(await stored(admin)) == [message.external_id for message in several(20)]


async def test_bulk_goes_behind_live_messages_and_the_database_tells_what_is_known(
    admin: Client, publisher: Publisher
) -> None:
    await publisher.publish(several(20), bulk=True)
    await publisher.publish([raw("00003")], bulk=True)
    found = await stored(admin)
    assert len(found) == 21
    assert {message.subject for message in found} == {"bulk.default.telegram.chat"}
    assert all("Nats-Msg-Id" not in (message.headers or {}) for message in found)


@pytest.mark.parametrize("together", [4, 60])
async def test_full_stream_is_said_to_those_who_are_not_stored(
    admin: Client, publisher: Publisher, together: int
) -> None:
    await streams.declare(admin.jetstream(), raw_max_bytes=64 * 1024)
    messages = several(120, text="x" * 2_000)
    told: list[BaseException | None] = []
    for begin in range(0, len(messages), together):
        told += await outcomes(publisher, messages[begin : begin + together])
    refused = [outcome for outcome in told if outcome is not None]
    assert refused
    assert all(isinstance(outcome, Full) for outcome in refused)
    accepted = [message.external_id for message, outcome in zip(messages, told, strict=True) if outcome is None]
    assert ids(await stored(admin)) == accepted
    await admin.jetstream().purge_stream("RAW")
    await publisher.publish(several(20, text="room again"))
    assert await count(admin) == 20


async def test_message_too_large_is_refused_before_anything_is_sent(admin: Client, publisher: Publisher) -> None:
    large = raw("large", payload={"blob": "x" * 1024**2})
    with pytest.raises(TooLarge, match="default/chat/large"):
        await publisher.publish([raw("small"), large])
    await publisher.publish([raw("later")])
    assert ids(await stored(admin)) == ["later"]


async def test_largest_message_is_carried_alone_and_in_a_batch(admin: Client, publisher: Publisher) -> None:
    empty = len(raw("00000", payload={"blob": ""}).model_dump_json(exclude_none=True))
    blob = {"blob": "x" * (1024**2 - 1024 - empty)}
    await publisher.publish([raw("00000", payload=blob)])
    await publisher.publish([raw(f"{place:05}", payload=blob) for place in range(1, 13)])
    assert await count(admin) == 13


@pytest.mark.parametrize("place", [0, 11, 19])
async def test_message_too_large_for_the_stream_does_not_condemn_its_batch(
    admin: Client, publisher: Publisher, place: int
) -> None:
    config = (await admin.jetstream().stream_info("RAW")).config
    config.max_msg_size = 2_000
    await admin.jetstream().update_stream(config)
    messages = several(20)
    messages[place] = raw("large", text="x" * 3_000)
    told = await outcomes(publisher, messages)
    assert isinstance(told[place], TooLarge)
    assert [outcome for outcome in told if outcome is not None] == [told[place]]
    assert await count(admin) == 19


async def test_refused_permission_ends_in_time(admin: Client, nats_urls: Callable[[str], str]) -> None:
    nc = await connect(nats_urls("inlets"), "inlets")
    begun = monotonic()
    async with Publisher(nc, timeout_seconds=0.5) as publisher:
        with pytest.raises(Unavailable):
            await publisher.publish([raw("1")])
        assert monotonic() - begun < 2
        await publisher.publish([raw("2", channel="webhook")])
    await nc.close()
    assert ids(await stored(admin)) == ["2"]


async def test_stream_that_is_missing_is_unavailable(admin: Client, publisher: Publisher) -> None:
    await admin.jetstream().delete_stream("RAW")
    for number in (1, 20):
        with pytest.raises(Unavailable):
            await publisher.publish(several(number))


async def test_more_than_may_wait_are_refused_at_once(admin: Client, operator: Client) -> None:
    async with Publisher(operator, max_waiting=30) as publisher:
        told = await outcomes(publisher, several(50))
        assert [type(outcome) for outcome in told] == [type(None)] * 30 + [Unavailable] * 20
        assert await outcomes(publisher, several(30)) == [None] * 30
    assert await count(admin) == 30


async def test_caller_who_goes_away_does_not_hurt_the_others(admin: Client, publisher: Publisher) -> None:
    tasks = [asyncio.create_task(publisher.publish([message])) for message in several(40)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[20].cancel()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert [outcome for outcome in told if outcome is not None] == [told[0], told[20]]
    await publisher.publish([raw("later")])
    assert set(ids(await stored(admin))) >= {message.external_id for message in several(40)} - {"00000", "00020"}


async def test_closing_leaves_nobody_waiting(operator: Client) -> None:
    async with Publisher(operator) as publisher:
        tasks = [asyncio.create_task(publisher.publish([message])) for message in several(3_000)]
        await asyncio.sleep(0)
    told = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 2)
    assert {type(outcome) for outcome in told} == {Unavailable}


async def test_closed_publisher_refuses_at_once(operator: Client) -> None:
    async with Publisher(operator) as publisher:
        pass
    with pytest.raises(Unavailable):
        await asyncio.wait_for(publisher.publish([raw("1")]), 2)


@asynccontextmanager
async def own_server(folder: Path) -> AsyncIterator[tuple[Nats, Client]]:
    server = Nats(folder, load_or_create(folder))
    server.start()
    try:
        nc = await connect(server.url("admin"), "admin")
        await streams.declare(nc.jetstream())
        yield server, nc
        await nc.close()
    finally:
        server.stop()


async def test_stopped_server_is_unavailable_soon_and_works_again_when_it_is_back(stack_folder: Path) -> None:
    async with own_server(stack_folder) as (server, nc), Publisher(nc, timeout_seconds=1) as publisher:
        await publisher.publish(several(20))
        server.stop()
        for number in (1, 20):
            begun = monotonic()
            with pytest.raises(Unavailable):
                await publisher.publish(several(number, text="lost"))
            assert monotonic() - begun < 2
        server.start()
        await until(lambda: nc.is_connected)
        await publisher.publish(several(20, text="found"))
        texts = {RawMessage.model_validate_json(message.data or b"").text for message in await stored(nc)}
        assert {"please ship", "found"} <= texts


async def test_server_that_does_not_answer_is_unavailable_in_time(stack_folder: Path) -> None:
    async with own_server(stack_folder) as (server, nc), Publisher(nc, timeout_seconds=0.5) as publisher:
        assert server.pid
        os.kill(server.pid, signal.SIGSTOP)
        try:
            for number in (1, 20):
                begun = monotonic()
                with pytest.raises(Unavailable):
                    await publisher.publish(several(number))
                assert monotonic() - begun < 2
                assert publisher.stalled
        finally:
            os.kill(server.pid, signal.SIGCONT)
        await publisher.publish([raw("later")])
        assert not publisher.stalled


async def test_answer_that_is_no_json_fails_its_callers_and_not_the_publisher(admin: Client) -> None:
    async def mumble(message: Msg) -> None:
        await message.respond(b"what?")

    await admin.jetstream().delete_stream("RAW")
    stranger = await admin.subscribe("raw.>", cb=mumble)
    await admin.flush()
    async with Publisher(admin) as publisher:
        for number in (1, 20):
            with pytest.raises(Unavailable):
                await asyncio.wait_for(publisher.publish(several(number)), 2)
        await stranger.unsubscribe()
        await streams.declare(admin.jetstream())
        await publisher.publish([raw("later")])
    assert await count(admin) == 1
