"""pipelines/keeper.py: room is made in RAW only of what every durable is done with, and only when it is needed."""

import asyncio
from collections.abc import AsyncIterator, Callable

import nats
import nats.js.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy

from deploy import streams
from deploy.local.permissions import inbox_prefix
from pipelines.keeper import READERS, keep, make_room
from schemas.subjects import Durable, Stream
from tests.waiting import until

LIVE, BULK = "raw.default.telegram.chat", "bulk.default.files.export"
KIBIBYTE = 1024


@pytest.fixture
async def js(nats_url: str) -> AsyncIterator[JetStreamContext]:
    """Give streams of which RAW holds 64 KiB."""
    nc = await nats.connect(nats_url)
    js = nc.jetstream()
    await streams.declare(js, raw_max_bytes=64 * KIBIBYTE)
    yield js
    await nc.close()


@pytest.fixture
async def keeper(js: JetStreamContext, nats_urls: Callable[[str], str]) -> AsyncIterator[Client]:
    nc = await nats.connect(nats_urls("keeper"), inbox_prefix=inbox_prefix("keeper"))
    yield nc
    await nc.close()


async def fill(js: JetStreamContext, *subjects: str) -> None:
    """Send a kibibyte on each subject."""
    for subject in subjects:
        await js.publish(subject, b"x" * KIBIBYTE)


async def fetch(js: JetStreamContext, durable: Durable, count: int, *, stream: Stream = Stream.RAW) -> list[Msg]:
    subscription = await js.pull_subscribe_bind(durable, stream)
    found = await subscription.fetch(count, timeout=2)
    assert len(found) == count
    return found


async def finish(js: JetStreamContext, durable: Durable, messages: list[Msg], *, stream: Stream = Stream.RAW) -> None:
    before = (await js.consumer_info(stream, durable)).num_ack_pending or 0
    for message in messages:
        await message.ack()

    async def done() -> bool:
        return bool((await js.consumer_info(stream, durable)).num_ack_pending == before - len(messages))

    await until(done)


async def seqs(js: JetStreamContext, stream: Stream = Stream.RAW) -> tuple[int, int]:
    """Tell the first and the last sequence that a stream holds; none are held when the first is above the last."""
    state = (await js.stream_info(stream)).state
    return state.first_seq, state.last_seq


async def test_nothing_is_purged_below_the_share(js: JetStreamContext, keeper: Client) -> None:
    await fill(js, *[LIVE] * 40)
    await finish(js, Durable.LIVE, await fetch(js, Durable.LIVE, 40))
    assert await make_room(keeper.jetstream()) == 0
    assert await seqs(js) == (1, 40)


async def test_all_is_purged_when_both_durables_are_done(js: JetStreamContext, keeper: Client) -> None:
    await fill(js, *[LIVE, BULK] * 27)
    await finish(js, Durable.LIVE, await fetch(js, Durable.LIVE, 27))
    await finish(js, Durable.BULK, await fetch(js, Durable.BULK, 27))
    assert await make_room(keeper.jetstream()) == 54
    assert await seqs(js) == (55, 54)
    await fill(js, *[LIVE] * 54)  # and there is room again


async def test_durable_that_never_had_a_message_holds_nothing_back(js: JetStreamContext, keeper: Client) -> None:
    await fill(js, *[LIVE] * 54)
    await finish(js, Durable.LIVE, await fetch(js, Durable.LIVE, 54))
    assert await make_room(keeper.jetstream()) == 54


async def test_message_that_one_durable_still_works_on_stays_with_all_above_it(
    js: JetStreamContext, keeper: Client
) -> None:
    await fill(js, *[LIVE] * 20, BULK, BULK, *[LIVE] * 32)
    await finish(js, Durable.LIVE, await fetch(js, Durable.LIVE, 52))
    await finish(js, Durable.BULK, (await fetch(js, Durable.BULK, 2))[:1])
    assert await make_room(keeper.jetstream()) == 21
    assert await seqs(js) == (22, 54)


async def test_message_that_nobody_has_fetched_stays(js: JetStreamContext, keeper: Client) -> None:
    await fill(js, *[LIVE] * 10, *[BULK] * 10, *[LIVE] * 34)
    await finish(js, Durable.LIVE, await fetch(js, Durable.LIVE, 44))
    await finish(js, Durable.BULK, await fetch(js, Durable.BULK, 4))
    assert await make_room(keeper.jetstream()) == 14
    assert await seqs(js) == (15, 54)


async def test_message_acknowledged_out_of_order_does_not_free_those_before_it(
    js: JetStreamContext, keeper: Client
) -> None:
    await fill(js, *[LIVE] * 54)
    fetched = await fetch(js, Durable.LIVE, 54)
    await finish(js, Durable.LIVE, [*fetched[:7], *fetched[8:]])
    assert await make_room(keeper.jetstream()) == 7
    assert await seqs(js) == (8, 54)


async def test_nothing_is_purged_that_nobody_began_with(js: JetStreamContext, keeper: Client) -> None:
    await fill(js, *[LIVE] * 54)
    assert await make_room(keeper.jetstream()) == 0
    assert await seqs(js) == (1, 54)


async def test_nothing_is_purged_while_a_durable_is_missing(js: JetStreamContext, keeper: Client) -> None:
    await fill(js, *[LIVE] * 54)
    await finish(js, Durable.LIVE, await fetch(js, Durable.LIVE, 54))
    await js.delete_consumer("RAW", Durable.BULK)
    with pytest.raises(nats.js.errors.NotFoundError):
        await make_room(keeper.jetstream())
    assert await seqs(js) == (1, 54)


async def test_same_again_purges_only_what_is_done_since(js: JetStreamContext, keeper: Client) -> None:
    await fill(js, *[LIVE] * 54)
    fetched = await fetch(js, Durable.LIVE, 54)
    await finish(js, Durable.LIVE, fetched[:1])
    assert await make_room(keeper.jetstream()) == 1
    assert await make_room(keeper.jetstream()) == 0
    await finish(js, Durable.LIVE, fetched[1:])
    assert await make_room(keeper.jetstream()) == 53


@pytest.mark.parametrize(
    ("stream", "durable", "subject"),
    [(Stream.DEAD, Durable.BURY, "dead.decode"), (Stream.COMMANDS, Durable.COMMANDS, "commands.default.telegram")],
)
async def test_room_is_made_in_every_stream_that_refuses_when_full(
    js: JetStreamContext, keeper: Client, stream: Stream, durable: Durable, subject: str
) -> None:
    [config] = [config for config in streams.stream_configs() if config.name == stream]
    await js.update_stream(config, max_bytes=64 * KIBIBYTE)
    await fill(js, *[subject] * 54)
    assert await make_room(keeper.jetstream(), stream) == 0
    await finish(js, durable, await fetch(js, durable, 54, stream=stream), stream=stream)
    assert await make_room(keeper.jetstream(), stream) == 54


def test_every_stream_that_refuses_when_full_is_looked_after() -> None:
    refusing = {config.name for config in streams.stream_configs() if config.discard is DiscardPolicy.NEW}
    assert refusing == {*READERS}


async def test_keeper_makes_room_until_it_is_stopped(js: JetStreamContext, keeper: Client) -> None:
    await fill(js, *[LIVE] * 54)
    await finish(js, Durable.LIVE, await fetch(js, Durable.LIVE, 54))
    stop = asyncio.Event()
    keeping = asyncio.create_task(keep(keeper, stop))

    async def empty() -> bool:
        return await seqs(js) == (55, 54)

    await until(empty)
    assert not keeping.done()
    stop.set()
    await asyncio.wait_for(keeping, 2)


async def test_keeper_outlives_a_stream_that_is_missing(js: JetStreamContext, keeper: Client) -> None:
    await js.delete_stream("RAW")
    stop = asyncio.Event()
    keeping = asyncio.create_task(keep(keeper, stop))
    done, _ = await asyncio.wait({keeping}, timeout=0.3)  # it would have failed by then
    assert not done
    stop.set()
    await asyncio.wait_for(keeping, 2)
