"""Tasks as people see them: with the messages that they stand on."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from psycopg import AsyncConnection
from psycopg.rows import class_row
from pydantic import BaseModel, Field

from api.paging import Paged
from pipelines.store.tasks import COLUMNS
from schemas.errors import NotFound
from schemas.events import Event
from schemas.tasks import Comment, Day, Priority, Relation, Review, Status, Task
from schemas.verdicts import Category, DecidedBy, Span

Conn = AsyncConnection[Any]


class EvidenceView(BaseModel):
    """A message that a task stands on; ``spans`` count characters of its whole text, which is clipped here."""

    task: UUID = Field(exclude=True)
    message: int
    relation: Relation
    spans: list[Span]
    text: str
    author: str | None
    author_name: str | None
    channel: str
    source: str
    conversation: str | None
    sent_at: datetime


class TaskView(Task):
    """A task with its evidence, and how many comments there are."""

    evidence: list[EvidenceView] = Field(default_factory=list)
    comments: int = 0


class VerdictView(BaseModel):
    """A verdict as it was stored."""

    category: Category
    confidence: float
    decided_by: DecidedBy
    judge: str
    reason: str
    spans: list[Span]
    alternatives: list[tuple[Category, float]]
    doubtful: bool
    at: datetime


class TaskDetail(Task):
    """All that is known of a task: evidence, what was said, what happened, what each judge thought of its message."""

    evidence: list[EvidenceView]
    comments: list[Comment]
    history: list[Event]
    verdicts: list[VerdictView]


class TaskFilter(Paged):
    """Which tasks to list; what is left out does not filter."""

    status: Status | None = None
    category: Category | None = None
    priority: Priority | None = None
    review: Review | None = None
    assignee: Annotated[str | None, Query(max_length=200)] = None
    source: Annotated[str | None, Query(max_length=40)] = None
    label: Annotated[str | None, Query(max_length=60)] = None
    q: Annotated[str | None, Query(max_length=200, description="Words of the title.")] = None
    due_before: Day | None = None


async def page(conn: Conn, workspace: str, wanted: TaskFilter, *, below: int | None, limit: int) -> Sequence[TaskView]:
    """List tasks with a number below ``below`` (None: all), newest first; at most ``limit``."""
    given = {"workspace": workspace, "below": below, "limit": limit, "like": _like(wanted.q)}
    async with conn.cursor(row_factory=class_row(TaskView)) as cursor:
        await cursor.execute(_PAGE, wanted.model_dump() | given)
        tasks = await cursor.fetchall()
    known = await evidence(conn, [task.id for task in tasks])
    return [task.model_copy(update={"evidence": known[task.id]}) for task in tasks]


async def one(conn: Conn, workspace: str, name: str) -> Task:
    """Find a task by its id or its number; raises NotFound."""
    async with conn.cursor(row_factory=class_row(Task)) as cursor:
        await cursor.execute(_ONE, {"workspace": workspace, "id": _uuid(name), "number": _number(name)})
        found = await cursor.fetchone()
    if found is None:
        raise NotFound("no task of this id or number")
    return found


async def evidence(conn: Conn, tasks: Sequence[UUID]) -> dict[UUID, list[EvidenceView]]:
    """Find the messages that tasks stand on, each task's origin first."""
    async with conn.cursor(row_factory=class_row(EvidenceView)) as cursor:
        await cursor.execute(_EVIDENCE, [list(tasks)])
        found: dict[UUID, list[EvidenceView]] = defaultdict(list)
        for row in await cursor.fetchall():
            found[row.task].append(row)
    return found


async def comments(conn: Conn, task: UUID) -> list[Comment]:
    """List what was said about a task, oldest first."""
    async with conn.cursor(row_factory=class_row(Comment)) as cursor:
        await cursor.execute("select id, task, author, text, at from comments where task = %s order by id", [task])
        return await cursor.fetchall()


async def verdicts(conn: Conn, messages: Sequence[int]) -> list[VerdictView]:
    """List what each judge thought of messages, oldest first."""
    async with conn.cursor(row_factory=class_row(VerdictView)) as cursor:
        await cursor.execute(_VERDICTS, [list(messages)])
        return await cursor.fetchall()


def _like(words: str | None) -> str | None:
    r"""Make a pattern of words in which nothing is special.

    >>> _like("50%")
    '%50\\%%'
    """
    if words is None:
        return None
    escaped = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _uuid(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None


def _number(name: str) -> int | None:
    return int(name) if name.isascii() and name.isdigit() and len(name) <= 15 else None


_PAGE = f"""
select {COLUMNS}, (select count(*) from comments where task = tasks.id) as comments
from tasks
where workspace = %(workspace)s
  and (%(below)s::bigint is null or number < %(below)s)
  and (%(status)s::text is null or status = %(status)s)
  and (%(category)s::text is null or category = %(category)s)
  and (%(priority)s::text is null or priority = %(priority)s)
  and (%(review)s::text is null or review = %(review)s)
  and (%(assignee)s::text is null or assignee = %(assignee)s)
  and (%(label)s::text is null or %(label)s = any (labels))
  and (%(like)s::text is null or title ilike %(like)s)
  and (%(due_before)s::date is null or due < %(due_before)s)
  and (%(source)s::text is null
       or exists (select from messages where messages.id = tasks.origin and messages.source = %(source)s))
order by number desc
limit %(limit)s
"""

_ONE = f"""
select {COLUMNS} from tasks
where workspace = %(workspace)s and (id = %(id)s::uuid or number = %(number)s::bigint)
"""

_EVIDENCE = """
select evidence.task, evidence.message, relation, spans, left(text, 2000) as text, author, author_name, channel, source,
       conversation, sent_at
from evidence join messages on messages.id = evidence.message
where evidence.task = any (%s)
order by evidence.task, relation <> 'origin', sent_at, evidence.message
"""

_VERDICTS = """
select category, confidence, decided_by, judge, reason, spans, alternatives, doubtful, at
from verdicts where message = any (%s) order by id
"""
