"""Dead letters at rest: until a person requeues or drops them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from pipelines.store import events
from pipelines.store.events import NewEvent
from schemas.dead import DeadLetter
from schemas.errors import NotFound
from schemas.events import EventType


async def keep(
    conn: AsyncConnection[Any],
    *,
    letter: UUID,
    subject: str,
    stage: str,
    reason: str,
    body: bytes,
    at: datetime,
    seq: int,
) -> None:
    """Store a dead letter, or count one more try of a known one; ``seq`` (in DEAD) makes a redelivery add nothing."""
    workspace = workspace_of(subject)
    values = [letter, workspace, subject, stage, reason, body, seq, at, at]
    async with conn.transaction():
        rows = await conn.execute(_KEEP, values)
        if await rows.fetchone() is None:
            return
        data = {"id": str(letter), "stage": stage, "reason": reason, "subject": subject}
        await events.append(conn, [NewEvent(workspace, EventType.DEAD_BURIED, "bury", data=data)])


async def get(conn: AsyncConnection[Any], workspace: str, letter: UUID) -> DeadLetter:
    """Read one dead letter and lock it; raises NotFound."""
    async with conn.cursor(row_factory=class_row(DeadLetter)) as cursor:
        await cursor.execute(_GET, [workspace, letter])
        found = await cursor.fetchone()
    if found is None:
        raise NotFound(f"no dead letter {letter}")
    return found


async def requeued(conn: AsyncConnection[Any], letter: UUID) -> None:
    """Note that a dead letter was sent round again."""
    await conn.execute("update dead_letters set requeued_at = clock_timestamp() where id = %s", [letter])


async def drop(conn: AsyncConnection[Any], workspace: str, letter: UUID) -> None:
    """Delete a dead letter for good; raises NotFound."""
    rows = await conn.execute("delete from dead_letters where workspace = %s and id = %s", [workspace, letter])
    if rows.rowcount == 0:
        raise NotFound(f"no dead letter {letter}")


def workspace_of(subject: str) -> str:
    """Read the workspace off the subject that a message came on.

    >>> workspace_of("raw.acme.webhook.ci"), workspace_of("commands.acme.telegram"), workspace_of("dead.normalize")
    ('acme', 'acme', 'default')
    """
    parts = subject.split(".")
    return parts[1] if len(parts) > 2 else "default"


_KEEP = """
insert into dead_letters as held (id, workspace, subject, stage, reason, body, stream_seq, first_at, last_at)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (id) do update set
    tries = held.tries + 1, reason = excluded.reason, last_at = excluded.last_at, stream_seq = excluded.stream_seq,
    requeued_at = null
where excluded.stream_seq > held.stream_seq
returning id
"""

_GET = """
select id, workspace, subject, stage, reason, body, tries, first_at, last_at, requeued_at
from dead_letters where workspace = %s and id = %s for update
"""
