"""pipelines/retention.py: old dead letters go, by and by, and the log says how many waited for a person."""

import asyncio
import logging
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from pipelines.commit import Pool
from pipelines.retention import forget
from pipelines.store import dead
from schemas.dead import dead_letter_id
from tests.asking import Conn, rows
from tests.making import NOON
from tests.waiting import until


@pytest.fixture
async def pool(postgres_urls: dict[str, str]) -> AsyncIterator[Pool]:
    async with AsyncConnectionPool(
        postgres_urls["write"],
        connection_class=psycopg.AsyncConnection,
        kwargs={"autocommit": True},
        min_size=1,
        timeout=2,
        open=False,
    ) as pool:
        yield pool


@pytest.fixture
async def conn(postgres_urls: dict[str, str]) -> AsyncIterator[Conn]:
    async with await psycopg.AsyncConnection.connect(postgres_urls["migrate"], autocommit=True) as conn:
        yield conn


async def bury(conn: Conn, body: bytes, *, age: str) -> None:
    letter = dead_letter_id("raw.default.api.chat", "decode", body)
    await dead.keep(
        conn, letter=letter, subject="raw.default.api.chat", stage="decode", reason="bad", body=body, at=NOON, seq=1
    )
    query = "update dead_letters set last_at = now() - %s::interval where id = %s"
    await conn.execute(query, [age, letter])


async def left(conn: Conn) -> list[bytes]:
    return [row["body"] for row in await rows(conn, "select body from dead_letters order by body")]


async def test_letters_older_than_the_setting_go_and_the_log_counts_them(
    pool: Pool, conn: Conn, caplog: pytest.LogCaptureFixture
) -> None:
    stop = asyncio.Event()
    await bury(conn, b"old", age="8 days")
    await bury(conn, b"young", age="6 days")
    with caplog.at_level(logging.WARNING):
        async with asyncio.TaskGroup() as group:
            group.create_task(forget(pool, stop, days=7, every_seconds=0.05))
            await until(lambda: gone(conn, [b"young"]))
            await bury(conn, b"older", age="30 days")
            await until(lambda: gone(conn, [b"young"]))
            stop.set()
    said = "1 dead letters were dropped after 7 days; 1 of them still waited for a person"
    assert [record.getMessage() for record in caplog.records].count(said) == 2


async def gone(conn: Conn, kept: list[bytes]) -> bool:
    return await left(conn) == kept


async def test_database_that_is_away_is_asked_again(pool: Pool, conn: Conn, caplog: pytest.LogCaptureFixture) -> None:
    stop = asyncio.Event()
    await bury(conn, b"old", age="8 days")
    await conn.execute("alter table dead_letters rename to away")
    async with asyncio.TaskGroup() as group:
        group.create_task(forget(pool, stop, days=7, every_seconds=0.05))
        await until(lambda: "old dead letters are still there" in caplog.text)
        await conn.execute("alter table away rename to dead_letters")
        await until(lambda: gone(conn, []))
        stop.set()
