"""pipelines/store/messages.py: one row each, advanced only by a newer revision, and all that follows from it."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from pipelines.store import sources, tasks
from pipelines.store.messages import Persisted, persist
from schemas.messages import Kind
from schemas.tasks import Extracted, TaskChange, task_id
from tests.making import extracted, work

Conn = psycopg.AsyncConnection[Any]


@pytest.fixture
async def conn(postgres_urls: dict[str, str]) -> AsyncIterator[Conn]:
    async with await psycopg.AsyncConnection.connect(postgres_urls["write"], autocommit=True) as conn:
        await register(conn)
        yield conn


async def register(conn: Conn) -> None:
    async with conn.transaction():
        await sources.ensure(conn, "default", "chat", "telegram")


async def rows(conn: Conn, query: str, *values: Any) -> list[dict[str, Any]]:
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()


async def events(conn: Conn) -> list[str]:
    return [
        row["type"]
        for row in await rows(
            conn, "select type from events where type like any(%s) order by seq", ["task.%", "message.%"]
        )
    ]


async def test_message_its_verdict_task_evidence_and_events_are_stored_together(conn: Conn) -> None:
    made = work("Renew the certificate", due=date(2026, 11, 20), assignee="anna")
    outcome = await persist(conn, [extracted("1", "please renew", tasks=(made,)), extracted("2", "thanks all")])
    assert outcome == Persisted(inserted=2)
    [task] = await rows(conn, "select * from tasks")
    assert (task["number"], task["title"], task["due"], task["assignee"]) == (
        1,
        "Renew the certificate",
        date(2026, 11, 20),
        "anna",
    )
    assert task["provenance"]["title"]["by"] == "rule"
    assert [row["category"] for row in await rows(conn, "select * from verdicts order by id")] == ["chore", "noise"]
    assert await rows(conn, "select relation, spans from evidence") == [{"relation": "origin", "spans": [[0, 6]]}]
    assert await events(conn) == ["message.processed", "task.created", "message.processed"]
    [made_event] = await rows(conn, "select data from events where type = 'task.created'")
    assert made_event["data"]["task"]["title"] == "Renew the certificate"
    assert made_event["data"]["evidence"][0]["text"] == "please renew"
    assert len(await rows(conn, "select from outbox")) == len(await rows(conn, "select from events"))


async def test_same_batch_again_adds_nothing(conn: Conn) -> None:
    batch = [extracted(str(n), "please ship", "Ship it") for n in range(50)]
    await persist(conn, batch)
    before = await counts(conn)
    assert await persist(conn, batch) == Persisted(unchanged=50)
    assert await counts(conn) == before


async def test_message_twice_in_one_batch_is_stored_once(conn: Conn) -> None:
    outcome = await persist(conn, [extracted("1", "please ship", "Ship it")] * 3)
    assert (outcome.inserted, outcome.unchanged) == (1, 2)
    assert len(await rows(conn, "select from tasks")) == 1


async def test_two_replicas_storing_the_same_messages_store_each_once(postgres_urls: dict[str, str]) -> None:
    batch = [extracted(str(n), "please ship", "Ship it") for n in range(200)]

    async def replica(seed: int) -> int:
        shuffled = random.Random(seed).sample(batch, len(batch))
        async with await psycopg.AsyncConnection.connect(postgres_urls["write"], autocommit=True) as conn:
            await register(conn)
            return sum([(await persist(conn, shuffled[i : i + 50])).inserted for i in range(0, 200, 50)])

    assert sum(await asyncio.gather(*(replica(seed) for seed in range(4)))) == 200
    async with await psycopg.AsyncConnection.connect(postgres_urls["write"], autocommit=True) as conn:
        numbers = [row["number"] for row in await rows(conn, "select number from tasks order by number")]
        assert numbers == list(range(1, 201))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
async def test_newest_revision_is_shown_whatever_the_order_of_arrival(conn: Conn, order: tuple[int, ...]) -> None:
    versions = [
        extracted("1", "please ship", "Ship it"),
        extracted("1", "please ship by friday", "Ship it", kind=Kind.EDIT, revision=10),
        extracted("1", "please ship by monday", "Ship it", kind=Kind.EDIT, revision=20),
    ]
    for place in order:
        await persist(conn, [versions[place]])
    [shown] = await rows(conn, "select text, revision from messages")
    assert shown == {"text": "please ship by monday", "revision": 20}
    kept = await rows(conn, "select revision from revisions order by revision")
    assert [row["revision"] for row in kept] == [0, 10]
    assert len(await rows(conn, "select from tasks")) == 1


async def test_all_revisions_in_one_batch_end_as_one_by_one(conn: Conn) -> None:
    versions = [extracted("1", f"text {n}", "Ship it", kind=Kind.EDIT, revision=n) for n in (3, 1, 2)]
    await persist(conn, versions)
    [shown] = await rows(conn, "select text from messages")
    assert shown == {"text": "text 3"}
    assert len(await rows(conn, "select from revisions")) == 2


async def test_deletion_outranks_a_late_edit(conn: Conn) -> None:
    await persist(conn, [extracted("1", "please ship", "Ship it")])
    await persist(conn, [extracted("1", "", kind=Kind.DELETE, revision=5)])
    await persist(conn, [extracted("1", "please ship now", "Ship it", kind=Kind.EDIT, revision=9)])
    [shown] = await rows(conn, "select deleted, text from messages")
    assert shown == {"deleted": True, "text": ""}
    [task] = await rows(conn, "select status, provenance from tasks")
    assert task["status"] == "cancelled"
    assert task["provenance"]["status"]["reason"] == "the message was deleted"
    assert (await events(conn))[2:] == ["task.updated", "message.deleted"]


async def test_edit_changes_the_row_and_its_task_and_keeps_what_a_person_set(conn: Conn) -> None:
    await persist(conn, [extracted("1", "please ship", tasks=(work("Ship it", assignee="bob"),))])
    task = task_id(extracted("1").message.key, 0)
    async with conn.transaction():
        await tasks.change(conn, "default", task, TaskChange(assignee="carol"), actor="dan", version=1)
    edited = work("Ship it today", due=date(2026, 11, 19), assignee="bob")
    await persist(conn, [extracted("1", "please ship today", tasks=(edited,), kind=Kind.EDIT, revision=1)])
    [row] = await rows(conn, "select title, due, assignee, number from tasks")
    assert row == {"title": "Ship it today", "due": date(2026, 11, 19), "assignee": "carol", "number": 1}


async def test_edit_that_takes_the_work_back_cancels_and_a_further_one_brings_it_back(conn: Conn) -> None:
    def version(revision: int, *titles: str) -> Extracted:
        return extracted("1", f"version {revision}", *titles, kind=Kind.EDIT, revision=revision)

    await persist(conn, [version(1, "Ship it")])
    await persist(conn, [version(2)])
    assert [row["status"] for row in await rows(conn, "select status from tasks")] == ["cancelled"]
    await persist(conn, [version(3, "Ship it")])
    assert [row["status"] for row in await rows(conn, "select status from tasks")] == ["open"]


async def test_edit_that_drops_one_of_two_tasks_never_renumbers_the_other(conn: Conn) -> None:
    await persist(conn, [extracted("1", "two things", "Update the docs", "Call the bank")])
    await persist(conn, [extracted("1", "two more", "Call the bank", "Order paper", kind=Kind.EDIT, revision=1)])
    found = await rows(conn, "select number, ordinal, title, status from tasks order by number")
    assert [tuple(row.values()) for row in found] == [
        (1, 0, "Update the docs", "cancelled"),
        (2, 1, "Call the bank", "open"),
        (3, 2, "Order paper", "open"),
    ]


async def test_message_of_an_unregistered_source_is_refused_alone(conn: Conn) -> None:
    outcome = await persist(conn, [extracted("1"), extracted("2", source="stranger"), extracted("3")])
    assert outcome.inserted == 2
    [(place, reason)] = outcome.refused
    assert place == 1
    assert "no source stranger" in reason


async def test_author_seen_first_becomes_a_person_once(conn: Conn) -> None:
    await persist(conn, [extracted(str(n), author="anna", author_name="Anna K.") for n in range(3)])
    await persist(conn, [extracted("9", author="anna", author_name="Anna K.")])
    assert await rows(conn, "select people.name, handle from people join handles on person = people.id") == [
        {"name": "Anna K.", "handle": "anna"}
    ]


async def test_writer_may_neither_change_nor_delete_events(conn: Conn) -> None:
    await persist(conn, [extracted("1")])
    for statement in ("delete from events", "update events set actor = 'x'", "drop table events"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await conn.execute(statement)


async def test_reader_sees_no_secrets_and_writes_nothing(postgres_urls: dict[str, str]) -> None:
    async with await psycopg.AsyncConnection.connect(postgres_urls["read"], autocommit=True) as conn:
        for statement in ("select secrets from sources", "insert into outbox values (1)", "delete from messages"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await conn.execute(statement)


async def counts(conn: Conn) -> dict[str, int]:
    tables = ("messages", "revisions", "verdicts", "tasks", "evidence", "events", "outbox", "people")
    return {table: len(await rows(conn, f"select from {table}")) for table in tables}
