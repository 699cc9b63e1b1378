"""Events and their outbox: a change is told in the transaction that makes it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

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
    await conn.execute(
        _APPEND,
        {
            "workspaces": [event.workspace for event in events],
            "types": [event.type.value for event in events],
            "actors": [event.actor for event in events],
            "tasks": [event.task for event in events],
            "messages": [event.message for event in events],
            "data": [json.dumps(event.data) for event in events],
        },
    )


_APPEND = """
with given as (
    select * from unnest(%(workspaces)s::text[], %(types)s::text[], %(actors)s::text[], %(tasks)s::uuid[],
                         %(messages)s::bigint[], %(data)s::text[])
        with ordinality as given(workspace, type, actor, task, message, data, place)
), told as (
    insert into events (workspace, type, actor, task, message, data)
    select workspace, type, actor, task, message, data::jsonb from given order by place
    returning seq
), pending as (
    insert into outbox (seq) select seq from told
)
select pg_notify('outbox', '')
"""
