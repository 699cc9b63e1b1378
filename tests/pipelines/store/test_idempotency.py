"""pipelines/store/idempotency.py: a key's request is done once, and answered the same ever after."""

import asyncio
import json

import psycopg
import pytest

from pipelines.store.idempotency import once
from schemas.errors import Conflict
from tests.asking import Conn, rows


class Work:
    """Counts how often it is done."""

    def __init__(self) -> None:
        self.done = 0

    async def __call__(self) -> str:
        self.done += 1
        return json.dumps({"number": self.done, "text": "Привіт"})


async def test_same_key_is_done_once_and_answered_alike(conn: Conn) -> None:
    work = Work()
    answers = []
    for _ in range(3):
        async with conn.transaction():
            answers.append(json.loads(await once(conn, "default", "k1", "make a task", work)))
    assert (work.done, answers) == (1, [{"number": 1, "text": "Привіт"}] * 3)


async def test_without_a_key_it_is_done_each_time(conn: Conn) -> None:
    work = Work()
    for _ in range(3):
        await once(conn, "default", None, "make a task", work)
    assert work.done == 3
    assert not await rows(conn, "select from idempotency")


async def test_same_key_for_another_request_is_a_conflict(conn: Conn) -> None:
    work = Work()
    async with conn.transaction():
        await once(conn, "default", "k1", "make a task", work)
    with pytest.raises(Conflict):
        async with conn.transaction():
            await once(conn, "default", "k1", "make another task", work)
    assert work.done == 1


async def test_request_that_failed_may_be_sent_again(conn: Conn) -> None:
    async def fail() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with conn.transaction():
            await once(conn, "default", "k1", "make a task", fail)
    work = Work()
    async with conn.transaction():
        await once(conn, "default", "k1", "make a task", work)
    assert work.done == 1


async def test_two_at_the_same_time_do_it_once(postgres_urls: dict[str, str]) -> None:
    work = Work()

    async def send() -> str:
        async with (
            await psycopg.AsyncConnection.connect(postgres_urls["write"], autocommit=True) as own,
            own.transaction(),
        ):
            return await once(own, "default", "k1", "make a task", work)

    answers = await asyncio.gather(*(send() for _ in range(6)))
    assert work.done == 1
    assert [json.loads(answer)["number"] for answer in answers] == [1] * 6


async def test_old_keys_are_forgotten_little_by_little_as_new_ones_come(conn: Conn) -> None:
    for number in range(15):
        await once(conn, "default", f"old {number}", "make a task", Work())
    await conn.execute("update idempotency set at = at - interval '31 days'")
    for number in range(2):
        await once(conn, "default", f"new {number}", "make a task", Work())
    assert {row["key"] for row in await rows(conn, "select key from idempotency")} == {"request:new 0", "request:new 1"}
