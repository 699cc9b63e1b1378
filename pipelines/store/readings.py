"""Tasks read out of messages: their birth, their evidence, and how it is told."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from pipelines.store.events import NewEvent
from pipelines.store.recordset import recordset
from schemas.events import EventType
from schemas.messages import Message
from schemas.tasks import Extracted, Extraction, Found, Provenance, Relation, Review, Status, Task, task_id
from schemas.verdicts import Span, Verdict

CLIP_EVIDENCE = 2_000
CLIP_MESSAGE = 280
"""Characters of a message's text that its events carry: enough to show, the rest is a query away."""


@dataclass(frozen=True, slots=True)
class Birth:
    """A task about to be made: the ``ordinal``-th of its message."""

    message: int
    item: Extracted
    ordinal: int
    extraction: Extraction

    @property
    def task(self) -> UUID:
        """The task's id, known before it is stored."""
        return task_id(self.item.message.key, self.ordinal)


async def bear(conn: AsyncConnection[Any], births: Sequence[Birth]) -> list[Task]:
    """Insert new tasks with their evidence, numbered in the order given."""
    if not births:
        return []
    numbers = await _numbers(conn, Counter(birth.item.message.raw.workspace for birth in births))
    at = datetime.now(UTC)
    tasks = [_task(birth, numbers[birth.item.message.raw.workspace].pop(0), at) for birth in births]
    given = [
        {
            "id": task.id,
            "workspace": task.workspace,
            "number": task.number,
            "origin": birth.message,
            "ordinal": birth.ordinal,
            "title": task.title,
            "category": task.category,
            "priority": task.priority,
            "assignee": task.assignee,
            "due": task.due,
            "labels": task.labels,
            "confidence": task.confidence,
            "provenance": task.provenance,
            "spans": evidence_spans(birth.item.verdict, birth.extraction),
        }
        for birth, task in zip(births, tasks, strict=True)
    ]
    await conn.execute(_BEAR, {"rows": recordset(given), "at": at})
    return tasks


async def _numbers(conn: AsyncConnection[Any], wanted: Counter[str]) -> dict[str, list[int]]:
    """Take the next numbers of each workspace; the counter's row is held until the commit, so this comes late."""
    numbers = {}
    for workspace, count in sorted(wanted.items()):
        rows = await conn.execute(_NUMBERS, [count, workspace])
        [(last,)] = await rows.fetchall()
        numbers[workspace] = list(range(last - count + 1, last + 1))
    return numbers


def _task(birth: Birth, number: int, at: datetime) -> Task:
    extraction, verdict = birth.extraction, birth.item.verdict
    return Task(
        id=birth.task,
        workspace=birth.item.message.raw.workspace,
        number=number,
        title=extraction.title.value,
        description="",
        category=verdict.category,
        priority=extraction.priority.value,
        status=Status.OPEN,
        assignee=extraction.assignee.value if extraction.assignee else None,
        due=extraction.due.value if extraction.due else None,
        labels=tuple(label.value for label in extraction.labels),
        review=Review.UNREVIEWED,
        version=1,
        confidence=verdict.confidence,
        merged_into=None,
        provenance=provenance(extraction, verdict, at),
        created_at=at,
        updated_at=at,
    )


def provenance(extraction: Extraction, verdict: Verdict, at: datetime) -> dict[str, Provenance]:
    """Say for each field that was read: by which judge, from which words and why."""
    found: dict[str, Found[Any] | None] = {
        "title": extraction.title,
        "priority": extraction.priority,
        "assignee": extraction.assignee,
        "due": extraction.due,
        "labels": extraction.labels[0] if extraction.labels else None,
    }
    said = {
        name: Provenance(
            by=verdict.decided_by,
            actor=verdict.judge,
            at=at,
            reason=value.reason,
            confidence=value.confidence,
            span=value.span,
        )
        for name, value in found.items()
        if value is not None
    }
    said["category"] = Provenance(
        by=verdict.decided_by, actor=verdict.judge, at=at, reason=verdict.reason, confidence=verdict.confidence
    )
    return said


def evidence_spans(verdict: Verdict, extraction: Extraction) -> list[Span]:
    """List the words that a task stands on: those of the verdict, and those that its fields were read from."""
    found = (extraction.priority, extraction.assignee, extraction.due)
    fields = [value.span for value in found if value is not None and value.span is not None]
    return sorted({*verdict.spans, *fields})


def told_created(birth: Birth, task: Task) -> NewEvent:
    """Tell of a new task, whole, with the words that it was read from."""
    raw = birth.item.message.raw
    evidence = {
        "message": birth.message,
        "relation": Relation.ORIGIN,
        "spans": evidence_spans(birth.item.verdict, birth.extraction),
        "text": birth.item.message.text[:CLIP_EVIDENCE],
        "author": raw.author,
        "author_name": raw.author_name,
        "channel": raw.channel,
        "source": raw.source,
        "conversation": raw.conversation,
        "sent_at": birth.item.message.sent_at.isoformat(),
    }
    data = {"task": task.model_dump(mode="json"), "evidence": [evidence]}
    return NewEvent(task.workspace, EventType.TASK_CREATED, birth.item.verdict.judge, task.id, birth.message, data)


def told_message(kind: EventType, message: int, item: Extracted, tasks: Sequence[UUID]) -> NewEvent:
    """Tell of a message that was read (for the first time, or again after an edit)."""
    raw, verdict = item.message.raw, item.verdict
    data: dict[str, Any] = {
        "source": raw.source,
        "channel": raw.channel,
        "conversation": raw.conversation,
        "author": raw.author,
        "author_name": raw.author_name,
        "sent_at": item.message.sent_at.isoformat(),
        "text": item.message.text[:CLIP_MESSAGE],
        "language": item.message.language,
        "category": verdict.category,
        "confidence": round(verdict.confidence, 4),
        "reason": verdict.reason,
        "tasks": [str(task) for task in tasks],
    }
    return NewEvent(raw.workspace, kind, "dataflow", message=message, data=data)


def told_deleted(message: int, gone: Message) -> NewEvent:
    """Tell of a message that was taken back at its origin."""
    data = {"source": gone.raw.source, "external_id": gone.raw.external_id}
    return NewEvent(gone.raw.workspace, EventType.MESSAGE_DELETED, "dataflow", message=message, data=data)


_NUMBERS = "update task_numbers set last = last + %s where workspace = %s returning last"

_BEAR = """
with given as (
    select * from json_to_recordset(%(rows)s::json)
        as given(id uuid, workspace text, number bigint, origin bigint, ordinal int, title text, category text,
                 priority text, assignee text, due date, labels text[], confidence real, provenance jsonb, spans jsonb)
), born as (
    insert into tasks (id, workspace, number, origin, ordinal, title, category, priority, assignee, due, labels,
                       confidence, provenance, created_at, updated_at)
    select id, workspace, number, origin, ordinal, title, category, priority, assignee, due, labels, confidence,
           provenance, %(at)s::timestamptz, %(at)s::timestamptz
    from given
)
insert into evidence (task, message, relation, spans) select id, origin, 'origin', spans from given
"""
