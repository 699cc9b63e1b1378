"""The embedded NATS: durable, private, and each user with its own work only."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js.api import ConsumerConfig

from deploy import streams
from deploy.local.credentials import load_or_create
from deploy.local.nats import Nats, refuse_late_sync
from deploy.local.permissions import PERMISSIONS, inbox_prefix
from deploy.local.process import StackError
from schemas.subjects import Durable

Make = Callable[..., Nats]
Urls = Callable[[str], str]


@pytest.fixture
def make() -> Iterator[Make]:
    """Build servers that are stopped at the end of the test."""
    with ExitStack() as ends:

        def build(folder: Path, *, durable: bool = True) -> Nats:
            server = Nats(folder, load_or_create(folder), durable=durable)
            ends.callback(server.stop)
            return server

        yield build


def _ask(server: Nats, what: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{server.monitoring_url}/{what}", timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


class Violations(list[str]):
    """What the server refused, as the client is told."""

    async def note(self, error: Exception) -> None:
        self.append(str(error))


async def _refused(url: str, user: str, *, publish: str = "", subscribe: str = "") -> bool:
    violations = Violations()
    client = await nats.connect(url, inbox_prefix=inbox_prefix(user).encode(), error_cb=violations.note)
    if publish:
        await client.publish(publish, b"{}")
    if subscribe:
        await client.subscribe(subscribe)
    # The server answers in order: a refusal comes before the answer to a flush. To the second one, that is: the
    # first ping of this client overtakes what is still in its buffer.
    await client.flush()
    await client.flush()
    await client.close()
    assert all("permissions violation" in violation for violation in violations)
    return bool(violations)


def test_message_is_on_the_disk_before_it_is_acknowledged(nats_server: Nats) -> None:
    assert _ask(nats_server, "jsz?config=true")["config"]["sync_always"] is True


def test_server_that_syncs_late_is_refused(make: Make, stack_folder: Path) -> None:
    server = make(stack_folder, durable=False)
    server.start()
    with pytest.raises(StackError, match="acknowledges before it writes"):
        refuse_late_sync(_ask(server, "jsz?config=true"))


def test_server_listens_on_this_machine_only_within_limits(nats_server: Nats) -> None:
    told = _ask(nats_server, "varz")
    assert (told["host"], told["http_host"]) == ("127.0.0.1", "127.0.0.1")
    assert told["jetstream"]["config"]["max_memory"] == 64 * 1024**2
    assert told["jetstream"]["config"]["max_storage"] == 4 * 1024**3
    assert told["max_payload"] == 1024**2


async def test_crashed_server_comes_back_on_its_port_with_all_that_it_acknowledged(
    make: Make, stack_folder: Path
) -> None:
    server = make(stack_folder)
    server.start()
    client = await nats.connect(server.url("admin"))
    await streams.declare(client.jetstream())
    await client.jetstream().publish("raw.default.webhook.ci", b"kept")
    await client.close()
    port = server.port
    server.kill()
    server.start()
    assert server.port == port
    client = await nats.connect(server.url("admin"))
    kept = await client.jetstream().get_msg("RAW", 1)
    await client.close()
    assert kept.data == b"kept"


async def test_two_servers_run_at_once_in_two_folders(make: Make, stack_folder: Path) -> None:
    servers = [make(stack_folder / name) for name in ("one", "two")]
    for server in servers:
        server.start()
    assert len({(server.port, server.monitoring_port) for server in servers}) == 2
    for server in servers:
        client = await nats.connect(server.url("admin"))
        assert not await client.jetstream().streams_info()
        await streams.declare(client.jetstream())
        await client.close()


def test_second_server_on_the_same_store_is_refused(make: Make, stack_folder: Path) -> None:
    first, second = make(stack_folder), make(stack_folder)
    first.start()
    with pytest.raises(StackError, match=rf"is in use by process {first.pid}"):
        second.start()


def test_configuration_with_its_passwords_is_private(nats_server: Nats) -> None:
    path = Path(nats_server.service.command[2])
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("inlets", "raw.default.telegram.x"),
        ("inlets", "bulk.default.webhook.x"),
        ("inlets", "$JS.API.STREAM.INFO.RAW"),
        ("api", "raw.default.webhook.x"),
        ("api", "results.default.task.created"),
        ("api", "$JS.API.STREAM.PURGE.RAW"),
        ("api", "$JS.API.STREAM.DELETE.RESULTS"),
        ("api", "$JS.API.CONSUMER.CREATE.RAW.mine"),
        ("api", "$JS.API.CONSUMER.MSG.NEXT.RAW.flow-live"),
        ("files", "raw.default.files.x"),
        ("files", "bulk.default.telegram.x"),
        ("flow", "raw.default.api.x"),
        ("flow", "results.default.task.created"),
        ("flow", "$JS.API.CONSUMER.DELETE.RAW.flow-live"),
        ("flow", "$JS.API.CONSUMER.CREATE.RAW.other"),
        ("relay", "raw.default.api.x"),
        ("relay", "$JS.API.STREAM.DELETE.RESULTS"),
        ("lanes", "raw.default.api.x"),
        ("lanes", "$JS.API.CONSUMER.MSG.NEXT.RAW.flow-live"),
        ("lanes", "$JS.API.STREAM.MSG.GET.RAW"),
        ("requeue", "results.default.dead.requeued"),
        ("requeue", "dead.persist"),
        ("requeue", "$JS.API.DIRECT.GET.RAW"),
        ("requeue", "$JS.API.CONSUMER.CREATE.RESULTS.other"),
        ("keeper", "raw.default.api.x"),
        ("keeper", "$JS.API.STREAM.DELETE.RAW"),
        ("keeper", "$JS.API.STREAM.PURGE.RESULTS"),
        ("operator", "$JS.API.STREAM.PURGE.RAW"),
        ("operator", "results.default.task.created"),
    ],
)
async def test_publishing_beyond_ones_work_is_refused(nats_urls: Urls, user: str, subject: str) -> None:
    assert await _refused(nats_urls(user), user, publish=subject)


@pytest.mark.parametrize("user", sorted(set(PERMISSIONS) - {"admin"}))
async def test_nobody_listens_to_others(nats_urls: Urls, user: str) -> None:
    other = "flow" if user != "flow" else "api"
    for subject in (">", "raw.>", "results.>", "$JS.>", f"{inbox_prefix(other)}.>"):
        assert await _refused(nats_urls(user), user, subscribe=subject), subject
    assert not await _refused(nats_urls(user), user, subscribe=f"{inbox_prefix(user)}.*")


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("inlets", "raw.default.webhook.ci"),
        ("api", "raw.default.api.script"),
        ("files", "bulk.default.files.export"),
        ("operator", "raw.default.telegram.bot"),
        ("operator", "commands.default.telegram"),
        ("flow", "dead.normalize"),
        ("lanes", "dead.commands"),
        ("requeue", "raw.default.telegram.bot"),
        ("requeue", "bulk.default.files.export"),
        ("requeue", "commands.default.telegram"),
        ("requeue", "dead.requeue"),
        ("relay", "results.default.task.created"),
    ],
)
async def test_publisher_gets_its_acknowledgement(nats_urls: Urls, user: str, subject: str) -> None:
    client = await nats.connect(nats_urls(user), inbox_prefix=inbox_prefix(user).encode())
    ack = await client.jetstream().publish(subject, b"{}", timeout=5)
    await client.close()
    assert ack.seq == 1


@pytest.mark.parametrize(
    ("user", "durable", "subject"),
    [
        ("flow", Durable.LIVE, "raw.default.api.x"),
        ("flow", Durable.BULK, "bulk.default.files.x"),
        ("lanes", Durable.BURY, "dead.persist"),
        ("lanes", Durable.ADVISORIES, "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.RAW.flow-live"),
        ("lanes", Durable.COMMANDS, "commands.default.telegram"),
        ("requeue", Durable.REQUEUE, "results.default.dead.requeued"),
    ],
)
async def test_consumer_remakes_its_durable_fetches_and_acknowledges(
    nats_urls: Urls, user: str, durable: Durable, subject: str
) -> None:
    stream = streams.stream_of(durable)
    admin = await nats.connect(nats_urls("admin"))
    await admin.jetstream().publish(subject, b"work")
    await admin.jetstream().delete_consumer(stream, durable)
    client = await nats.connect(nats_urls(user), inbox_prefix=inbox_prefix(user).encode())
    js = client.jetstream()
    await js.add_consumer(stream, streams.consumer_config(durable))
    subscription = await js.pull_subscribe_bind(durable, stream)
    [message] = await subscription.fetch(1, timeout=5)
    await message.ack_sync(timeout=5)
    left = await js.consumer_info(stream, durable)
    await client.close()
    await admin.close()
    assert (message.data, left.num_ack_pending, left.num_pending) == (b"work", 0, 0)


async def test_api_follows_and_looks_up_results(nats_urls: Urls) -> None:
    admin = await nats.connect(nats_urls("admin"))
    await admin.jetstream().publish("results.default.task.created", b"event")
    client = await nats.connect(nats_urls("api"), inbox_prefix=inbox_prefix("api").encode())
    js = client.jetstream()
    subscription = await js.subscribe("results.>", stream="RESULTS", ordered_consumer=True)
    followed = await subscription.next_msg(timeout=5)
    await subscription.unsubscribe()
    puller = await js.pull_subscribe("results.>", stream="RESULTS", config=ConsumerConfig(inactive_threshold=60))
    [pulled] = await puller.fetch(1, timeout=5)
    await pulled.ack_sync(timeout=5)
    found = await js.get_msg("RESULTS", 1, direct=True)
    lag = await js.consumer_info("RAW", "flow-live")
    await client.close()
    await admin.close()
    assert (followed.data, pulled.data, found.data, lag.num_pending) == (b"event", b"event", b"event", 0)


async def test_relay_reads_what_it_published_last(nats_urls: Urls) -> None:
    client = await nats.connect(nats_urls("relay"), inbox_prefix=inbox_prefix("relay").encode())
    js = client.jetstream()
    await js.publish("results.default.task.created", b"event")
    state = (await js.stream_info("RESULTS")).state
    found = await js.get_msg("RESULTS", state.last_seq)
    direct = await js.get_msg("RESULTS", state.last_seq, direct=True)
    await client.close()
    assert found.data == direct.data == b"event"


async def test_keeper_looks_at_the_consumers_and_purges(nats_urls: Urls) -> None:
    operator = await nats.connect(nats_urls("operator"), inbox_prefix=inbox_prefix("operator").encode())
    for _ in range(3):
        await operator.jetstream().publish("raw.default.api.x", b"{}")
    client = await nats.connect(nats_urls("keeper"), inbox_prefix=inbox_prefix("keeper").encode())
    js = client.jetstream()
    names = {(await js.consumer_info("RAW", durable)).name for durable in ("flow-live", "flow-bulk")}
    await js.purge_stream("RAW", seq=3)
    left = (await js.stream_info("RAW")).state
    await client.close()
    await operator.close()
    assert (names, left.first_seq, left.messages) == ({"flow-live", "flow-bulk"}, 3, 1)
