"""Events, read for people: by their place in the one order, and by the task that they tell of."""

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from schemas.events import Event

Conn = AsyncConnection[Any]


async def after(conn: Conn, workspace: str | None, position: int, *, limit: int) -> list[Event]:
    """List the events just above a position, in order; at most ``limit``. ``workspace`` None: those of all."""
    async with conn.cursor(row_factory=class_row(Event)) as cursor:
        await cursor.execute(_AFTER, {"workspace": workspace, "position": position, "limit": limit})
        return await cursor.fetchall()


async def of_task(conn: Conn, task: UUID, *, limit: int) -> list[Event]:
    """List the latest events of a task, newest last; ``position`` is None where the relay has not been yet."""
    async with conn.cursor(row_factory=class_row(Event)) as cursor:
        await cursor.execute(_OF_TASK, {"task": task, "limit": limit})
        return await cursor.fetchall()


async def newest_position(conn: Conn) -> int:
    """Return the highest position stored, 0 before the first; every lower one is stored, too."""
    rows = await conn.execute("select coalesce(max(position), 0) from positions")
    [(position,)] = await rows.fetchall()
    return int(position)


async def epoch(conn: Conn) -> UUID:
    """Return the id that changes only by a restore: positions of another epoch mean nothing here."""
    rows = await conn.execute("select id from epoch")
    [(found,)] = await rows.fetchall()
    return UUID(str(found))


_COLUMNS = "id, position, workspace, type, at, actor, task, message, data"

_AFTER = f"""
select {_COLUMNS} from positions join events using (seq)
where position > %(position)s and (%(workspace)s::text is null or workspace = %(workspace)s::text)
order by position limit %(limit)s
"""

_OF_TASK = f"""
select {_COLUMNS} from (
    select seq, {_COLUMNS} from events left join positions using (seq)
    where task = %(task)s order by seq desc limit %(limit)s
) as latest order by seq
"""
