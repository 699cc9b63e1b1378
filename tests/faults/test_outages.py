"""Servers and roles that are killed, frozen or away for long: what was acknowledged is there in the end, once."""

import asyncio
import json
import os
import random
from http import HTTPStatus
from pathlib import Path
from time import monotonic

import httpx
import pytest

from schemas.subjects import Stream
from tests.faults.house import ACK_WAIT_SECONDS, FLOW, RELAY, House, Ledger, house, some_load, watched
from tests.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

AWAY_SECONDS = float(os.environ.get("TASKTRACKER_TEST_AWAY_SECONDS", "5"))
"""How long a server is away: short in CI, 60 and more by hand."""

_LINE = {"source": "outage", "author": "anna", "text": "please fix the login page, it crashes"}


async def post(made: House, ledger: Ledger, name: str) -> int | None:
    """Send one message and note what was said of it; return the status, or None when nobody answered."""
    headers = {"Authorization": f"Bearer {made.token}"}
    ledger.unknown.add(name)
    async with httpx.AsyncClient(base_url=made.url, headers=headers, timeout=10) as client:
        try:
            status = (await client.post("/api/messages", json=_LINE | {"external_id": name})).status_code
        except httpx.TransportError:
            return None
    if status == HTTPStatus.ACCEPTED:
        ledger.acknowledged.add(name)
    return status


async def accepted(made: House, ledger: Ledger, name: str) -> bool:
    return await post(made, ledger, name) == HTTPStatus.ACCEPTED


async def stored(made: House, ledger: Ledger, name: str) -> bool:
    await post(made, ledger, name)
    return bool(await made.rows(f"select 1 from messages where external_id = '{name}'"))


async def test_every_role_and_server_may_be_killed(stack_folder: Path, pg_bin: Path | None) -> None:
    rng = random.Random(5)
    with house(stack_folder, pg_bin) as made:
        await made.open()
        async with watched(made):
            for name in ("api", "nats", "flow", "postgres", "relay", "nats", "api", "postgres"):
                await asyncio.sleep(rng.uniform(0.5, 1.5))  # when a kill comes is what is random
                made.kill(name)


@pytest.mark.parametrize("frozen", [("flow", "relay"), ("api",)], ids="-".join)
async def test_role_that_was_frozen_for_long_does_nothing_twice(
    stack_folder: Path, pg_bin: Path | None, frozen: tuple[str, ...]
) -> None:
    with house(stack_folder, pg_bin) as made:
        await made.open()
        made.start("second flow", FLOW)  # it is given what the frozen one holds
        made.start("second relay", RELAY)
        async with watched(made) as ledger:
            await some_load(ledger)
            for name in frozen:
                made.freeze(name)
            await asyncio.sleep(3 * ACK_WAIT_SECONDS)  # how long is what is tested
            for name in frozen:
                made.thaw(name)


async def test_database_that_is_away_for_long_stops_nothing_for_good(stack_folder: Path, pg_bin: Path | None) -> None:
    with house(stack_folder, pg_bin) as made:
        await made.open()
        async with watched(made) as ledger:
            await some_load(ledger)
            made.postgres.stop()
            assert await post(made, ledger, "while away") == HTTPStatus.SERVICE_UNAVAILABLE
            await asyncio.sleep(AWAY_SECONDS)  # how long is what is tested
            made.postgres.start()
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
            made.nats.stop()
            away = asyncio.create_task(asyncio.sleep(AWAY_SECONDS))
            while not away.done():  # no loop is frozen, and nothing is accepted that is then lost
                begun = monotonic()
                async with httpx.AsyncClient(timeout=2) as client:
                    assert (await client.get(f"{made.url}/api/health/live")).is_success
                assert monotonic() - begun < 1
                assert await post(made, ledger, "while away") == HTTPStatus.SERVICE_UNAVAILABLE
            made.nats.start()
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
        assert [raw["external_id"] for raw in raws].count("twice") == 1
