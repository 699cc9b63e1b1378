"""An edited message: its tasks follow the new text, and a person's word stays."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import SequenceMatcher
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import kwargs_row

from pipelines.store import tasks
from pipelines.store.readings import Birth, evidence_spans, provenance
from schemas.messages import Kind
from schemas.tasks import Extracted, Extraction, Provenance, Review, Status, TaskChange
from schemas.verdicts import Span

SAME_TITLE = 0.6
"""Titles at least this alike speak of the same work."""


@dataclass(frozen=True, slots=True)
class Held:
    """What matching needs to know of a stored task."""

    id: UUID
    origin: int
    ordinal: int
    title: str
    status: Status
    review: Review
    provenance: dict[str, Provenance]

    @property
    def span(self) -> Span | None:
        """Where in the former text the title stood."""
        given = self.provenance.get("title")
        return given.span if given else None


@dataclass(slots=True)
class Revised:
    """What an edit leads to: new work to be born, and the tasks that stand, by message."""

    births: list[Birth] = field(default_factory=list)
    standing: dict[int, list[UUID]] = field(default_factory=dict)


async def revise(conn: AsyncConnection[Any], advanced: Sequence[tuple[int, Extracted]]) -> Revised:
    """Bring the tasks of edited and deleted messages in line with their new text.

    Tasks are matched, never renumbered. Work that the text no longer asks for is cancelled, unless a person has
    judged or moved it. Fields that a person set stay (tasks.change sees to it).
    """
    revised = Revised()
    if not advanced:
        return revised
    held = await _held(conn, [message for message, _ in advanced])
    for message, item in sorted(advanced, key=lambda pair: pair[0]):
        old = [task for task in held if task.origin == message]
        pairs, gone, fresh = match(old, item.tasks)
        for task, extraction in pairs:
            await _follow(conn, task, item, extraction)
        for task in gone:
            await _cancel(conn, task, item)
        first = max((task.ordinal for task in old), default=-1) + 1
        births = [Birth(message, item, ordinal, extraction) for ordinal, extraction in enumerate(fresh, start=first)]
        revised.births += births
        revised.standing[message] = [task.id for task, _ in pairs] + [birth.task for birth in births]
    return revised


def match(
    old: Sequence[Held], new: Sequence[Extraction]
) -> tuple[list[tuple[Held, Extraction]], list[Held], list[Extraction]]:
    """Pair stored tasks with what the new text says: (pairs, tasks no longer asked for, work not known yet).

    The best pairs go first: the same title, then overlapping places, then titles alike. One old and one new belong
    together whatever they say: it is the one thing that the message is about.
    """
    if len(old) == len(new) == 1:
        return [(old[0], new[0])], [], []
    scored = sorted(
        ((_alike(task, work), -i, -j) for i, task in enumerate(old) for j, work in enumerate(new)), reverse=True
    )
    taken: dict[int, int] = {}
    for score, i, j in scored:
        if score >= SAME_TITLE and -i not in taken and -j not in taken.values():
            taken[-i] = -j
    return (
        [(old[i], new[j]) for i, j in sorted(taken.items())],
        [task for i, task in enumerate(old) if i not in taken],
        [work for j, work in enumerate(new) if j not in taken.values()],
    )


def _alike(task: Held, work: Extraction) -> float:
    if task.title.casefold() == work.title.value.casefold():
        return 3.0
    ratio = SequenceMatcher(None, task.title.casefold(), work.title.value.casefold(), autojunk=False).ratio()
    mine, theirs = task.span, work.title.span
    overlap = mine is not None and theirs is not None and mine.start < theirs.end and theirs.start < mine.end
    return ratio + 1.0 if overlap and ratio >= SAME_TITLE / 2 else ratio


async def _held(conn: AsyncConnection[Any], messages: Sequence[int]) -> list[Held]:
    async with conn.cursor(row_factory=kwargs_row(_held_row)) as cursor:
        await cursor.execute(_HELD, [list(messages)])
        return await cursor.fetchall()


def _held_row(provenance: dict[str, Any], status: str, review: str, **rest: Any) -> Held:
    given = {name: Provenance.model_validate(value) for name, value in provenance.items()}
    return Held(provenance=given, status=Status(status), review=Review(review), **rest)


async def _follow(conn: AsyncConnection[Any], task: Held, item: Extracted, work: Extraction) -> None:
    change = TaskChange(
        title=work.title.value,
        category=item.verdict.category,
        priority=work.priority.value,
        assignee=work.assignee.value if work.assignee else None,
        due=work.due.value if work.due else None,
        labels=[label.value for label in work.labels],
    )
    if task.status is Status.CANCELLED and task.review is not Review.REJECTED:
        change.status = Status.OPEN
    said = provenance(work, item.verdict, datetime.now(UTC))
    await _change(conn, task, item, change, reason="the message was edited", said=said)
    await conn.execute(_SPANS, [json.dumps(evidence_spans(item.verdict, work)), task.id, task.origin])


async def _cancel(conn: AsyncConnection[Any], task: Held, item: Extracted) -> None:
    if task.review is not Review.UNREVIEWED or task.status in (Status.CANCELLED, Status.DONE):
        return
    gone = item.message.raw.kind is Kind.DELETE
    reason = "the message was deleted" if gone else "the message no longer asks for this"
    await _change(conn, task, item, TaskChange(status=Status.CANCELLED), reason=reason)


async def _change(
    conn: AsyncConnection[Any],
    task: Held,
    item: Extracted,
    change: TaskChange,
    *,
    reason: str,
    said: Mapping[str, Provenance] | None = None,
) -> None:
    verdict = item.verdict
    await tasks.change(
        conn,
        item.message.raw.workspace,
        task.id,
        change,
        actor=verdict.judge,
        version=None,
        by=verdict.decided_by,
        reason=reason,
        said=said,
    )


_HELD = """
select id, origin, ordinal, title, status, review, provenance from tasks
where origin = any(%s) order by origin, ordinal for update
"""

_SPANS = "update evidence set spans = %s::jsonb where task = %s and message = %s and relation = 'origin'"
