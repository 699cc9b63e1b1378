"""What libraries and servers do that is easily taken for granted: seen once, and tested since."""

from pathlib import Path
from time import monotonic

import nats
import pytest
from nats.js.api import RetentionPolicy, StreamConfig

from deploy.bench.faults.house import House, house
from deploy.bench.usage import cpu_seconds
from deploy.local.credentials import load_or_create
from deploy.local.nats import Nats
from tests.faults.mutants import mutant
from tests.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]

LOOKED_AT_SECONDS = 4.0
ROLES = {"api": ("api", "inlets"), "bury": ("bury",)}


async def busy(made: House, name: str) -> float:
    """Tell which share of a core a process uses while NATS is away."""
    await made.stop("nats")
    given_up = monotonic() + 2.0
    await until(lambda: monotonic() > given_up, what="clients to see that NATS is away")
    pids, before, begun = made.pids(name), cpu_seconds(made.pids(name)), monotonic()
    await until(lambda: monotonic() > begun + LOOKED_AT_SECONDS, what="some time to pass")
    return (cpu_seconds(pids) - before) / (monotonic() - begun)


async def test_lanes_are_at_rest_while_nats_is_away_and_go_on_when_it_is_back(
    stack_folder: Path, pg_bin: Path | None
) -> None:
    with house(stack_folder, pg_bin, roles=ROLES) as made:
        await made.open()
        assert await busy(made, "bury") < 0.15
        made.start("nats")
        await until(made.ready, seconds=20, what="readiness")
        async with made.client() as nc:
            await nc.jetstream().publish("dead.decode", b"rubbish")

        async def buried() -> bool:
            return bool(await made.rows("select 1 from dead_letters where body = %s", b"rubbish"))

        await until(buried, seconds=20, what="a dead letter sent afterwards")


async def test_lanes_whose_client_gives_up_spin_for_ever(stack_folder: Path, pg_bin: Path | None) -> None:
    with house(stack_folder, pg_bin, roles=ROLES, commands=mutant("giving-up", "bury", "bury")) as made:
        await made.open()
        assert await busy(made, "bury") > 0.3


@pytest.mark.parametrize(
    ("retention", "known"),
    [(RetentionPolicy.LIMITS, True), (RetentionPolicy.WORK_QUEUE, False)],
    ids=str,
)
async def test_a_restart_forgets_ids_of_a_work_queue_and_not_of_our_retention(
    stack_folder: Path, retention: RetentionPolicy, known: bool
) -> None:
    server = Nats(stack_folder, load_or_create(stack_folder))
    server.start()
    try:
        client = await nats.connect(server.url("admin"))
        js = client.jetstream()
        await js.add_stream(StreamConfig(name="TRAP", subjects=["trap"], retention=retention, duplicate_window=600))
        await js.publish("trap", b"once", headers={"Nats-Msg-Id": "one"})
        reader = await js.pull_subscribe("trap", durable="reader")
        [message] = await reader.fetch(1)
        await message.ack_sync()
        await client.close()
        server.kill()
        server.start()
        client = await nats.connect(server.url("admin"))
        again = await client.jetstream().publish("trap", b"once", headers={"Nats-Msg-Id": "one"})
        await client.close()
        assert bool(again.duplicate) is known
    finally:
        server.stop()
