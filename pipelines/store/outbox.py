"""The outbox: which events wait for their place in the one order, and which place they got."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

_LEADER = 7_362_002


@dataclass(frozen=True, slots=True)
class Told:
    """An event as the relay takes it over; ``data`` is its JSON as text, which nobody needs to parse."""

    seq: int
    id: UUID
    workspace: str
    type: str
    at: datetime
    actor: str
    task: UUID | None
    message: int | None
    data: str


async def lead(conn: AsyncConnection[Any]) -> bool:
    """Try to become the one relay, for as long as the connection lives."""
    rows = await conn.execute("select pg_try_advisory_lock(%s)", [_LEADER])
    [(leads,)] = await rows.fetchall()
    return bool(leads)


async def pending(conn: AsyncConnection[Any], *, limit: int) -> list[Told]:
    """List events without a position, in order; a transaction still open elsewhere is not waited for."""
    async with conn.cursor(row_factory=class_row(Told)) as cursor:
        await cursor.execute(_PENDING, [limit])
        return await cursor.fetchall()


async def last_position(conn: AsyncConnection[Any]) -> int:
    """Return the highest position stored, 0 before the first."""
    rows = await conn.execute("select coalesce(max(position), 0) from positions")
    [(position,)] = await rows.fetchall()
    return int(position)


async def place(conn: AsyncConnection[Any], positions: Sequence[tuple[int, UUID]]) -> None:
    """Store the positions of published events and take them out of the outbox, in one statement."""
    await conn.execute(_PLACE, [[position for position, _ in positions], [event for _, event in positions]])


async def placed(conn: AsyncConnection[Any], *, after: int, limit: int) -> list[tuple[int, Told]]:
    """List events with their positions, from just above ``after``."""
    rows = await conn.execute(_PLACED, [after, limit])
    return [(position, Told(*event)) for position, *event in await rows.fetchall()]


_COLUMNS = "seq, id, workspace, type, at, actor, task, message, data::text as data"

_PENDING = f"select {_COLUMNS} from outbox join events using (seq) order by seq limit %s"

_PLACE = """
with given as (
    select position, seq from unnest(%s::bigint[], %s::uuid[]) as given(position, id) join events using (id)
), done as (
    delete from outbox using given where outbox.seq = given.seq
)
insert into positions (position, seq) select position, seq from given order by position
"""

_PLACED = f"""
select position, {_COLUMNS} from positions join events using (seq)
where position > %s order by position limit %s
"""
