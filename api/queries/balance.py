"""Do the books balance: what is missing of what should be there."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from pipelines.store.recordset import recordset

Conn = AsyncConnection[Any]


async def without_a_row(conn: Conn, versions: Sequence[dict[str, Any]]) -> set[int]:
    """Find the versions of messages (place, workspace, source, external_id, revision, digest) that are not stored."""
    rows = await conn.execute(_WITHOUT_A_ROW, [recordset(versions)])
    return {place for (place,) in await rows.fetchall()}


async def buried(conn: Conn, letters: Sequence[UUID]) -> set[UUID]:
    """Find those that are, or once were, dead letters."""
    rows = await conn.execute(_BURIED, {"letters": list(letters), "names": [str(letter) for letter in letters]})
    return {letter for (letter,) in await rows.fetchall()}


async def untold(conn: Conn) -> dict[str, list[str]]:
    """List what the events leave out, at most 100 of a kind: messages, tasks, events without a place, gaps."""
    found = {}
    for kind, query in _UNTOLD.items():
        rows = await conn.execute(query)
        found[kind] = [str(name) for (name,) in await rows.fetchall()]
    return found


async def placed(conn: Conn, first: int, last: int) -> dict[int, UUID]:
    """Give the events at positions ``first`` to ``last``."""
    rows = await conn.execute(_PLACED, [first, last])
    return dict(await rows.fetchall())


async def count(conn: Conn) -> dict[str, int]:
    """Count messages, tasks, dead letters and events."""
    rows = await conn.execute(_COUNT)
    [(messages, tasks, dead, events)] = await rows.fetchall()
    return {"messages": messages, "tasks": tasks, "dead letters": dead, "events": events}


_WITHOUT_A_ROW = """
select place from json_to_recordset(%s::json)
    as sent(place bigint, workspace text, source text, external_id text, revision bigint, digest text)
left join messages using (workspace, source, external_id)
where messages.id is null or (
    (messages.revision, messages.digest) <> (sent.revision, sent.digest)
    and not exists (select from revisions where message = messages.id
                    and (revisions.revision, revisions.digest) = (sent.revision, sent.digest))
)
"""

_BURIED = """
select id from dead_letters where id = any(%(letters)s)
union select (data->>'id')::uuid from events where type = 'dead.buried' and data->>'id' = any(%(names)s)
union select (data->>'name')::uuid from events where type = 'dead.buried' and data->>'name' = any(%(names)s)
"""

_UNTOLD = {
    "message without an event": """
        select id from messages where not exists (
            select from events where message = messages.id and type = 'message.processed') limit 100""",
    "task without an event": """
        select id from tasks where not exists (
            select from events where task = tasks.id and type = 'task.created') limit 100""",
    "task without its message's words": """
        select id from tasks where origin is not null and not exists (
            select from evidence where task = tasks.id and relation = 'origin') limit 100""",
    "event without a place": """
        select events.id from events left join positions using (seq) left join outbox using (seq)
        where positions.seq is null and outbox.seq is null limit 100""",
    "position that is missing": """
        select position + 1 from positions held where not exists (
            select from positions where position = held.position + 1)
            and position < (select max(position) from positions) limit 100""",
}

_PLACED = "select position, id from positions join events using (seq) where position between %s and %s"

_COUNT = """
select (select count(*) from messages), (select count(*) from tasks), (select count(*) from dead_letters),
       (select count(*) from events)
"""
