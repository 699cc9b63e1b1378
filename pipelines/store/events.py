"""Events and their outbox: a change is told in the transaction that makes it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from pipelines.store.recordset import recordset
from schemas.events import EventType

CHANNEL = "outbox"
"""What the relay listens to."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that has no id and no place in the order yet."""

    workspace: str
    type: EventType
    actor: str
    task: UUID | None = None
    message: int | None = None
    data: dict[str, Any] = field(default_factory=dict)


async def append(conn: AsyncConnection[Any], events: Sequence[NewEvent]) -> None:
    """Write events, in this order, and wake the relay when the transaction commits.

    Whoever changes a task locks its row first: the sequence taken here is then in order for that task.
    """
    if not events:
        return
    given = [
        {
            "place": place,
            "workspace": event.workspace,
            "type": event.type,
            "actor": event.actor,
            "task": event.task,
            "message": event.message,
            "data": event.data,
        }
        for place, event in enumerate(events)
    ]
    await conn.execute(_APPEND, [recordset(given)])


_APPEND = """
with told as (
    insert into events (workspace, type, actor, task, message, data)
    select workspace, type, actor, task, message, data
    from json_to_recordset(%s::json)
        as given(place int, workspace text, type text, actor text, task uuid, message bigint, data jsonb)
    order by place
    returning seq
), pending as (
    insert into outbox (seq) select seq from told
)
select pg_notify('outbox', '')
"""
