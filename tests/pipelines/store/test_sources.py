"""pipelines/store/sources.py: inlets are registered once, and their secrets stay where they are."""

import asyncio
from typing import Any

import psycopg
import pytest

from pipelines.store import sources
from schemas.errors import Conflict, NotFound
from schemas.sources import NewSource, SourceState
from tests.asking import Conn, rows, told
from tests.waiting import until

SECRET = "whsec_c2VjcmV0"


def hook(**fields: Any) -> NewSource:
    given = {"slug": "ci", "channel": "webhook", "settings": {"text": "/message"}, "secret": SECRET}
    return NewSource.model_validate(given | fields)


async def register(conn: Conn, **fields: Any) -> None:
    async with conn.transaction():
        await sources.register(conn, "default", hook(**fields), actor="anna")


async def test_registered_source_is_told_and_found_by_its_inlet(conn: Conn) -> None:
    await register(conn)
    found = await sources.find(conn, "default", "ci")
    assert found is not None
    assert (found.channel, found.settings, found.secrets, found.paused) == (
        "webhook",
        {"text": "/message"},
        (SECRET,),
        False,
    )
    event = (await told(conn, "source."))[-1]
    assert (event["type"], event["actor"]) == ("source.updated", "anna")
    assert event["data"] == {
        "workspace": "default",
        "slug": "ci",
        "channel": "webhook",
        "settings": {"text": "/message"},
        "state": "active",
    }


async def test_secret_is_in_no_source_no_event_and_no_text_of_ours(conn: Conn) -> None:
    async with conn.transaction():
        shown = await sources.register(conn, "default", hook(), actor="anna")
    found = await sources.find(conn, "default", "ci")
    events = await rows(conn, "select data::text from events")
    for text in (shown.model_dump_json(), repr(shown), repr(found), repr(hook()), str(events)):
        assert SECRET not in text


async def test_registering_again_changes_settings_and_keeps_secrets_that_are_not_given(conn: Conn) -> None:
    await register(conn)
    await register(conn, settings={"text": "/body"}, secret=None)
    found = await sources.find(conn, "default", "ci")
    assert found is not None
    assert (found.settings, found.secrets) == ({"text": "/body"}, (SECRET,))


async def test_secrets_are_rotated_by_giving_several(conn: Conn) -> None:
    await register(conn)
    await register(conn, secret=[SECRET, "whsec_bmV3"])
    found = await sources.find(conn, "default", "ci")
    assert found is not None
    assert found.secrets == (SECRET, "whsec_bmV3")


async def test_name_of_another_channels_source_is_taken(conn: Conn) -> None:
    await register(conn)
    with pytest.raises(Conflict):
        await register(conn, channel="telegram", secret="other")
    with pytest.raises(Conflict, match="webhook"):
        await sources.ensure(conn, "default", "ci", "api")
    found = await sources.find(conn, "default", "ci")
    assert found is not None
    assert (found.channel, found.secrets) == ("webhook", (SECRET,))


async def test_source_is_ensured_once_and_told_once(postgres_urls: dict[str, str], conn: Conn) -> None:
    async def first_use() -> None:
        async with await psycopg.AsyncConnection.connect(postgres_urls["write"], autocommit=True) as own:
            for _ in range(3):
                async with own.transaction():
                    await sources.ensure(own, "default", "export", "files")

    await asyncio.gather(*(first_use() for _ in range(4)))
    assert [event["data"]["slug"] for event in await told(conn, "source.")] == ["chat", "export"]


async def test_first_use_leaves_the_settings_that_somebody_gave_meanwhile(
    postgres_urls: dict[str, str], conn: Conn
) -> None:
    async with (
        await psycopg.AsyncConnection.connect(postgres_urls["write"], autocommit=True) as other,
        asyncio.TaskGroup() as group,
        other.transaction(),
    ):
        await sources.register(other, "default", hook(), actor="anna")
        group.create_task(sources.ensure(conn, "default", "ci", "webhook"))
        await until(lambda: waits_for_a_lock(other, conn.info.backend_pid), what="the first use to wait")
    found = await sources.find(conn, "default", "ci")
    assert found is not None
    assert (found.settings, found.secrets) == ({"text": "/message"}, (SECRET,))


async def waits_for_a_lock(conn: Conn, pid: int) -> bool:
    [row] = await rows(conn, "select cardinality(pg_blocking_pids(%s)) > 0 as waits", pid)
    return bool(row["waits"])


async def test_paused_source_is_said_to_be_so(conn: Conn) -> None:
    await register(conn)
    async with conn.transaction():
        paused = await sources.set_state(conn, "default", "ci", SourceState.PAUSED, actor="anna")
    assert paused.state is SourceState.PAUSED
    found = await sources.find(conn, "default", "ci")
    assert found is not None
    assert found.paused
    assert (await told(conn, "source."))[-1]["data"]["state"] == "paused"
    with pytest.raises(Conflict, match="paused"):
        await sources.ensure(conn, "default", "ci", "webhook")


async def test_source_that_nobody_registered_is_not_found(conn: Conn) -> None:
    await register(conn)
    assert await sources.find(conn, "default", "nothing") is None
    assert await sources.find(conn, "other", "ci") is None
    with pytest.raises(NotFound):
        await sources.set_state(conn, "default", "nothing", SourceState.PAUSED, actor="anna")
