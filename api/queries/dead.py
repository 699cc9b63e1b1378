"""Dead letters as people see them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from pydantic import BaseModel

from schemas.dead import DeadLetter
from schemas.errors import NotFound


class DeadView(BaseModel):
    """A dead letter without its bytes."""

    id: UUID
    subject: str
    stage: str
    reason: str
    bytes: int
    tries: int
    first_at: datetime
    last_at: datetime
    requeued_at: datetime | None


async def page(
    conn: AsyncConnection[Any], workspace: str, *, behind: tuple[datetime, UUID] | None, limit: int
) -> Sequence[DeadView]:
    """List dead letters by their last death, the latest first, behind that one (None: all); at most ``limit``."""
    at, letter = behind or (None, None)
    async with conn.cursor(row_factory=class_row(DeadView)) as cursor:
        await cursor.execute(_PAGE, {"workspace": workspace, "at": at, "letter": letter, "limit": limit})
        return await cursor.fetchall()


async def one(conn: AsyncConnection[Any], workspace: str, letter: UUID) -> DeadLetter:
    """Find a dead letter with its bytes; raises NotFound."""
    async with conn.cursor(row_factory=class_row(DeadLetter)) as cursor:
        await cursor.execute(_ONE, [workspace, letter])
        found = await cursor.fetchone()
    if found is None:
        raise NotFound(f"no dead letter {letter}")
    return found


_PAGE = """
select id, subject, stage, reason, length(body) as bytes, tries, first_at, last_at, requeued_at
from dead_letters
where workspace = %(workspace)s
  and (%(at)s::timestamptz is null or last_at < %(at)s or (last_at = %(at)s and id > %(letter)s::uuid))
order by last_at desc, id limit %(limit)s
"""

_ONE = """
select id, workspace, subject, stage, reason, body, tries, first_at, last_at, requeued_at
from dead_letters where workspace = %s and id = %s
"""
