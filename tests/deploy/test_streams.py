"""The streams and durables, as a real NATS keeps them."""

from collections.abc import AsyncIterator

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, DiscardPolicy, RetentionPolicy
from nats.js.errors import APIError

from deploy import streams
from deploy.local.nats import MAX_FILE
from schemas.subjects import Durable, Stream


@pytest.fixture
async def js(nats_url: str) -> AsyncIterator[JetStreamContext]:
    """Speak JetStream as admin, all streams declared and empty."""
    client = await nats.connect(nats_url)
    yield client.jetstream()
    await client.close()


async def test_every_stream_and_durable_of_the_glossary_is_declared(js: JetStreamContext) -> None:
    assert {info.config.name for info in await js.streams_info()} == set(Stream)
    declared = {(info.stream_name, info.name) for name in Stream for info in await js.consumers_info(name)}
    assert declared == {(streams.stream_of(durable), durable) for durable in Durable}


async def test_what_came_in_is_kept_until_read_and_results_give_way(js: JetStreamContext) -> None:
    configs = {info.config.name: info.config for info in await js.streams_info()}
    assert {config.retention for config in configs.values()} == {RetentionPolicy.LIMITS}
    assert {name for name, config in configs.items() if config.discard == DiscardPolicy.OLD} == {Stream.RESULTS}
    assert configs[Stream.RAW].allow_atomic
    assert configs[Stream.RESULTS].allow_atomic
    assert configs[Stream.RAW].duplicate_window == 600
    assert configs[Stream.RAW].max_age == 30 * 24 * 3600


async def test_durables_acknowledge_explicitly_and_never_give_up(js: JetStreamContext) -> None:
    for durable in Durable:
        config = (await js.consumer_info(streams.stream_of(durable), durable)).config
        assert config.ack_policy == AckPolicy.EXPLICIT
        assert (config.max_deliver, config.max_ack_pending, config.ack_wait) == (-1, 10_000, 20)


async def test_the_same_declaration_again_keeps_messages_and_progress(js: JetStreamContext) -> None:
    for _ in range(2):
        await js.publish("raw.default.webhook.ci", b"x")
    subscription = await js.pull_subscribe_bind(Durable.LIVE, Stream.RAW)
    [first] = await subscription.fetch(1, timeout=5)
    await first.ack_sync()
    await streams.declare(js)
    kept = await js.stream_info(Stream.RAW)
    progress = await js.consumer_info(Stream.RAW, Durable.LIVE)
    assert kept.state.messages == 2
    assert progress.ack_floor is not None
    assert progress.ack_floor.stream_seq == 1


async def test_changed_limit_is_taken_over(js: JetStreamContext) -> None:
    await streams.declare(js, raw_max_bytes=100 * streams.MEBIBYTE)
    assert (await js.stream_info(Stream.RAW)).config.max_bytes == 100 * streams.MEBIBYTE


async def test_deleted_durable_is_declared_anew(js: JetStreamContext) -> None:
    await js.delete_consumer(Stream.RAW, Durable.BULK)
    await streams.declare(js)
    assert (await js.consumer_info(Stream.RAW, Durable.BULK)).config.filter_subject == "bulk.>"


async def test_live_messages_and_imports_reach_their_own_durable(js: JetStreamContext) -> None:
    await js.publish("raw.default.webhook.ci", b"live")
    await js.publish("bulk.default.files.export", b"bulk")
    for durable, body in ((Durable.LIVE, b"live"), (Durable.BULK, b"bulk")):
        subscription = await js.pull_subscribe_bind(durable, Stream.RAW)
        [message] = await subscription.fetch(1, timeout=5)
        assert message.data == body
        assert (await js.consumer_info(Stream.RAW, durable)).num_pending == 0


async def test_full_stream_refuses_and_forgets_nothing(js: JetStreamContext) -> None:
    await streams.declare(js, raw_max_bytes=200_000)
    await js.publish("raw.default.webhook.ci", bytes(150_000))
    with pytest.raises(APIError, match="maximum bytes exceeded"):
        await js.publish("raw.default.webhook.ci", bytes(100_000))
    assert (await js.stream_info(Stream.RAW)).state.messages == 1


async def test_message_sent_twice_is_stored_once(js: JetStreamContext) -> None:
    acks = [await js.publish("raw.default.webhook.ci", b"x", headers={"Nats-Msg-Id": "one"}) for _ in range(2)]
    assert [ack.duplicate for ack in acks] == [None, True]
    assert (await js.stream_info(Stream.RAW)).state.messages == 1


def test_all_streams_together_fit_into_the_servers_limit() -> None:
    assert sum(config.max_bytes or MAX_FILE for config in streams.stream_configs()) < MAX_FILE
