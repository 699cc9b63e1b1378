"""Comments at rest."""

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from pipelines.store import events, tasks
from pipelines.store.events import NewEvent
from schemas.events import EventType
from schemas.tasks import Comment, NewComment


async def add(conn: AsyncConnection[Any], workspace: str, task: UUID, new: NewComment, *, actor: str) -> Comment:
    """Add what a person says about a task, and tell of it; raises NotFound."""
    held = await tasks.lock(conn, workspace, task, version=None)
    async with conn.cursor(row_factory=class_row(Comment)) as cursor:
        await cursor.execute(_ADD, [workspace, task, actor, new.text])
        [comment] = await cursor.fetchall()
    data = {"task": held.model_dump(mode="json"), "comment": comment.model_dump(mode="json")}
    await events.append(conn, [NewEvent(workspace, EventType.TASK_COMMENTED, actor, task, data=data)])
    return comment


_ADD = """
insert into comments (workspace, task, author, text) values (%s, %s, %s, %s) returning id, task, author, text, at
"""
