"""Servers and roles that are killed, frozen or away for long: what was acknowledged is there in the end, once."""

import asyncio
import gc
import json
import os
import random
import warnings
from collections.abc import Iterator
from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import Path
from time import monotonic

import httpx
import pytest

from deploy.bench.faults.accounting import watched
from deploy.bench.faults.catalogue import FROZEN_SECONDS, roll_all
from deploy.bench.faults.house import House, house
from deploy.bench.faults.senders import Ledger, post, some_load
from schemas.subjects import Stream
from tests.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

AWAY_SECONDS = float(os.environ.get("TASKTRACKER_TEST_AWAY_SECONDS", "5"))
"""How long a server is away: short in CI, 60 and more by hand."""

PATIENCE_SECONDS = 12.0
"""How long the api may take for its answer, whatever is frozen: the publisher's two flushes, 5 s each, and a little."""


async def accepted(made: House, ledger: Ledger, name: str) -> bool:
    return await post(made, ledger, name) == HTTPStatus.ACCEPTED


async def stored(made: House, ledger: Ledger, name: str) -> bool:
    await post(made, ledger, name)
    return bool(await made.rows("select 1 from messages where external_id = %s", name))


async def test_every_role_and_server_may_be_killed(stack_folder: Path, pg_bin: Path | None) -> None:
    rng = random.Random(5)
    with house(stack_folder, pg_bin) as made:
        await made.open()
        async with watched(made):
            for name in ("api", "nats", "dataflow", "postgres", "relay", "nats", "api", "postgres"):
                await asyncio.sleep(rng.uniform(0.5, 1.5))  # when a kill comes is what is random
                made.kill(name)


async def test_role_that_was_frozen_for_long_does_nothing_twice(stack_folder: Path, pg_bin: Path | None) -> None:
    with house(stack_folder, pg_bin) as made:
        await made.open()
        made.start("second dataflow", like="dataflow")  # it is given what the frozen one holds
        made.start("second relay", like="relay")
        async with watched(made) as ledger:
            await some_load(ledger)
            for name in ("dataflow", "relay", "api"):
                made.freeze(name)
            await asyncio.sleep(FROZEN_SECONDS)  # how long is what is tested
            for name in ("dataflow", "relay", "api"):
                made.thaw(name)


@pytest.fixture
def leaks_of_nats_py() -> Iterator[None]:
    """Collect the sockets that nats-py forgets when a server lets it in and says nothing, before others stumble."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.usefixtures("leaks_of_nats_py")
@pytest.mark.filterwarnings("ignore:.*unclosed:pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("server", ["nats", "postgres"])
async def test_server_that_is_frozen_for_long_costs_nothing(
    stack_folder: Path, pg_bin: Path | None, server: str
) -> None:
    with house(stack_folder, pg_bin) as made:
        await made.open()
        async with watched(made) as ledger:
            await some_load(ledger)
            made.freeze(server)
            try:
                frozen = asyncio.create_task(asyncio.sleep(FROZEN_SECONDS))
                await until(made.not_ready, seconds=10, what="readiness to turn red")
                await frozen
            finally:
                made.thaw(server)
            await until(lambda: stored(made, ledger, "thawed"), seconds=30, what="a row of a message sent afterwards")


@pytest.mark.parametrize("server", ["nats", "postgres"])
async def test_no_request_waits_for_a_frozen_server_without_end(
    stack_folder: Path, pg_bin: Path | None, server: str
) -> None:
    with house(stack_folder, pg_bin, roles={"api": ("api", "inlets")}) as made:
        await made.open()
        ledger = Ledger()
        assert await accepted(made, ledger, "before")
        made.freeze(server)
        begun = monotonic()
        try:  # without load, so that some of these are given a connection that was good a moment ago
            answers = await asyncio.gather(*(post(made, ledger, f"while-frozen-{number}") for number in range(8)))
        finally:
            made.thaw(server)
        assert monotonic() - begun < PATIENCE_SECONDS
        assert set(answers) == {HTTPStatus.SERVICE_UNAVAILABLE}


async def test_every_role_is_replaced_under_load(stack_folder: Path, pg_bin: Path | None) -> None:
    with house(stack_folder, pg_bin) as made:
        async with AsyncExitStack() as stack:
            await made.behind_proxies(stack)  # as before a load balancer, where the successor of a door may come first
            await made.open()
            async with watched(made) as ledger:
                await some_load(ledger)
                refused = ledger.refused
                await roll_all(made, random.Random(3))  # fails unless all end with exit code 0
                await some_load(ledger)
                assert ledger.refused - refused < 10


async def test_database_that_is_away_for_long_stops_nothing_for_good(stack_folder: Path, pg_bin: Path | None) -> None:
    with house(stack_folder, pg_bin) as made:
        await made.open()
        async with watched(made) as ledger:
            await some_load(ledger)
            await made.stop("postgres")
            assert await post(made, ledger, "while away") == HTTPStatus.SERVICE_UNAVAILABLE
            await asyncio.sleep(AWAY_SECONDS)  # how long is what is tested
            made.start("postgres")
            back = monotonic()
            await until(lambda: stored(made, ledger, "back"), seconds=30, what="a row of a message sent afterwards")
            assert monotonic() - back < 10


async def test_nats_that_is_away_for_long_is_found_again_within_five_seconds(
    stack_folder: Path, pg_bin: Path | None
) -> None:
    with house(stack_folder, pg_bin) as made:
        await made.open()
        async with watched(made) as ledger:
            await some_load(ledger)
            await made.stop("nats")
            away = asyncio.create_task(asyncio.sleep(AWAY_SECONDS))
            while not away.done():  # no loop is frozen, and nothing is accepted that is then lost
                begun = monotonic()
                async with httpx.AsyncClient(timeout=2) as client:
                    assert (await client.get(f"{made.url}/api/health/live")).is_success
                assert monotonic() - begun < 1
                assert await post(made, ledger, "while away") == HTTPStatus.SERVICE_UNAVAILABLE
            made.start("nats")
            back = monotonic()
            await until(lambda: stored(made, ledger, "back"), seconds=30, what="a row of a message sent afterwards")
            assert monotonic() - back < 5


async def test_same_message_before_and_after_a_restart_of_nats_is_one(stack_folder: Path, pg_bin: Path | None) -> None:
    with house(stack_folder, pg_bin) as made:
        await made.open()
        async with watched(made) as ledger:
            assert await accepted(made, ledger, "twice")
            made.kill("nats")
            await until(lambda: accepted(made, ledger, "twice"), seconds=10, what="the same to be accepted again")
        raws = [json.loads(message) for message in await made.stream(Stream.RAW)]
        assert [raw.get("external_id") for raw in raws].count("twice") == 1
