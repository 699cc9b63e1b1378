"""Tasks at rest: made by hand, changed, judged; the change and its event are one transaction."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg.rows import class_row

from pipelines.store import events, verdicts
from pipelines.store.events import NewEvent
from schemas.errors import Conflict, NotFound
from schemas.events import EventType
from schemas.tasks import NewTask, Provenance, Review, ReviewDecision, Status, Task, TaskChange
from schemas.verdicts import Category, DecidedBy, Verdict

COLUMNS = """id, workspace, number, title, description, category, priority, status, assignee, due, labels, review,
    version, confidence, merged_into, provenance, created_at, updated_at"""
"""What makes a Task, in SQL."""

_CLEARABLE = {"assignee", "due"}


class Unfit(ValueError):
    """A change that no version of the task can take."""


async def create(conn: AsyncConnection[Any], workspace: str, new: NewTask, *, actor: str) -> Task:
    """Store a task that a person wrote by hand; every field is that person's word."""
    at = datetime.now(UTC)
    said = {name: _word(actor, at, "written by hand") for name in sorted(new.model_fields_set)}
    given = new.model_dump() | {"id": uuid4(), "workspace": workspace, "provenance": _provenance(said), "at": at}
    given["labels"] = list(dict.fromkeys(new.labels))
    async with conn.cursor(row_factory=class_row(Task)) as cursor:
        await cursor.execute(_CREATE, given)
        task = await cursor.fetchone()
    if task is None:
        raise NotFound(f"no workspace {workspace}")
    data = {"task": task.model_dump(mode="json"), "evidence": []}
    await events.append(conn, [NewEvent(workspace, EventType.TASK_CREATED, actor, task.id, data=data)])
    return task


async def lock(conn: AsyncConnection[Any], workspace: str, task: UUID, *, version: int | None) -> Task:
    """Read a task and hold its row; raises NotFound, and Conflict when ``version`` (None: any) is not the present one.

    Whoever tells of a task does this first: its events are then in order.
    """
    async with conn.cursor(row_factory=class_row(Task)) as cursor:
        await cursor.execute(_LOCK, [workspace, task])
        found = await cursor.fetchone()
    if found is None:
        raise NotFound(f"no task {task}")
    if version is not None and version != found.version:
        raise Conflict(f"task {found.number} is at version {found.version} now, not {version}: read it again")
    return found


async def change(
    conn: AsyncConnection[Any],
    workspace: str,
    task: UUID,
    change: TaskChange,
    *,
    actor: str,
    version: int | None,
    by: DecidedBy = DecidedBy.PERSON,
    reason: str = "",
    said: Mapping[str, Provenance] | None = None,
) -> Task:
    """Change the fields that are given and differ; a machine leaves the fields that a person set.

    ``said`` is the provenance of those fields of which more is known than ``actor``, ``by`` and ``reason`` tell.
    Raises NotFound, Conflict (see lock), and Unfit when a field that every task has is cleared.
    """
    held = await lock(conn, workspace, task, version=version)
    wanted = _wanted(held, change, by)
    if not wanted:
        return held
    given = _given(wanted.keys(), actor, by, reason)
    given |= {name: word for name, word in (said or {}).items() if name in wanted}
    changed = await _update(conn, held, wanted, given)
    data = {"task": changed.model_dump(mode="json"), "changed": _difference(held, changed, wanted)}
    await events.append(conn, [NewEvent(workspace, EventType.TASK_UPDATED, actor, task, data=data)])
    return changed


async def review(
    conn: AsyncConnection[Any],
    workspace: str,
    task: UUID,
    decision: ReviewDecision,
    *,
    actor: str,
    version: int | None,
) -> Task:
    """Store a person's word on a reading, also as a verdict on the message that the task was read from.

    A rejected task is cancelled, until somebody thinks better of it. Raises NotFound, Conflict (see lock), and Unfit
    for a change that cannot be made.
    """
    held = await lock(conn, workspace, task, version=version)
    wanted: dict[str, Any] = {"review": decision.decision}
    if held.review is Review.REJECTED and _cancelled_by_rejection(held):
        wanted["status"] = Status.OPEN
    if decision.change is not None:
        if decision.decision is not Review.CORRECTED:
            raise Unfit("change: only the decision corrected comes with one")
        wanted |= _wanted(held, decision.change, DecidedBy.PERSON)
    if decision.decision is Review.REJECTED:
        wanted["status"] = Status.CANCELLED
    wanted = {name: value for name, value in wanted.items() if getattr(held, name) != value}
    if not wanted:
        return held
    said = _given(wanted.keys() - {"review"}, actor, DecidedBy.PERSON, _reviewed(decision.decision))
    judged = await _update(conn, held, wanted, said)
    await _record_verdict(conn, judged, actor)
    data = {"task": judged.model_dump(mode="json"), "changed": _difference(held, judged, wanted)}
    await events.append(conn, [NewEvent(workspace, EventType.TASK_REVIEWED, actor, task, data=data)])
    return judged


def _reviewed(decision: Review) -> str:
    return f"reviewed: {decision}"


def _cancelled_by_rejection(task: Task) -> bool:
    word = task.provenance.get("status")
    return task.status is Status.CANCELLED and word is not None and word.reason == _reviewed(Review.REJECTED)


def _wanted(held: Task, change: TaskChange, by: DecidedBy) -> dict[str, Any]:
    """List the fields to set, with their values."""
    wanted: dict[str, Any] = {}
    for name in change.model_fields_set:
        value = getattr(change, name)
        if value is None and name not in _CLEARABLE:
            raise Unfit(f"{name}: every task has one, it cannot be cleared")
        if isinstance(value, list):
            value = tuple(dict.fromkeys(value))
        before = held.provenance.get(name)
        kept = by is not DecidedBy.PERSON and before is not None and before.by is DecidedBy.PERSON
        if value != getattr(held, name) and not kept:
            wanted[name] = value
    return wanted


def _word(actor: str, at: datetime, reason: str, by: DecidedBy = DecidedBy.PERSON) -> Provenance:
    return Provenance(by=by, actor=actor, at=at, reason=reason)


def _given(names: Iterable[str], actor: str, by: DecidedBy, reason: str) -> dict[str, Provenance]:
    at = datetime.now(UTC)
    return {name: _word(actor, at, reason, by) for name in sorted(names)}


def _provenance(given: Mapping[str, Provenance]) -> str:
    return json.dumps({name: value.model_dump(mode="json") for name, value in given.items()})


async def _update(
    conn: AsyncConnection[Any], held: Task, wanted: Mapping[str, Any], given: Mapping[str, Provenance]
) -> Task:
    fields = ("title", "description", "category", "priority", "status", "assignee", "due", "labels", "review")
    values = {name: wanted.get(name, getattr(held, name)) for name in fields}
    values |= {"id": held.id, "provenance": _provenance(given), "labels": list(values["labels"])}
    sure = given["category"].confidence if "category" in given else None
    values["confidence"] = held.confidence if sure is None else sure
    async with conn.cursor(row_factory=class_row(Task)) as cursor:
        await cursor.execute(_UPDATE, values)
        changed = await cursor.fetchone()
    if changed is None:
        raise NotFound(f"no task {held.id}")
    return changed


def _difference(before: Task, after: Task, names: Mapping[str, Any]) -> dict[str, Any]:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return {name: {"before": old[name], "after": new[name]} for name in sorted(names)}


async def _record_verdict(conn: AsyncConnection[Any], task: Task, actor: str) -> None:
    rows = await conn.execute(_ORIGIN, {"task": task.id})
    found = await rows.fetchone()
    if found is None:
        return
    origin, others_stand = found
    if task.review is Review.REJECTED and others_stand:
        return  # of the message nothing was said: it holds other work
    category = Category.NOISE if task.review is Review.REJECTED else task.category
    verdict = Verdict(category, 1.0, DecidedBy.PERSON, actor, _reviewed(task.review))
    await verdicts.record(conn, [(task.workspace, origin, verdict)])


_CREATE = f"""
with numbered as (
    update task_numbers set last = last + 1 where workspace = %(workspace)s returning last
)
insert into tasks (id, workspace, number, title, description, category, priority, assignee, due, labels, review,
                   provenance, created_at, updated_at)
select %(id)s, %(workspace)s, last, %(title)s, %(description)s, %(category)s, %(priority)s, %(assignee)s,
       %(due)s::date, %(labels)s::text[], 'accepted', %(provenance)s::jsonb, %(at)s, %(at)s
from numbered
returning {COLUMNS}
"""

_ORIGIN = """
select origin, exists (
    select from tasks other where other.origin = task.origin and other.id <> task.id and other.review <> 'rejected'
)
from tasks task where id = %(task)s and origin is not null
"""

_LOCK = f"select {COLUMNS} from tasks where workspace = %s and id = %s for update"

_UPDATE = f"""
update tasks set title = %(title)s, description = %(description)s, category = %(category)s, priority = %(priority)s,
    status = %(status)s, assignee = %(assignee)s, due = %(due)s, labels = %(labels)s, review = %(review)s,
    confidence = %(confidence)s,
    provenance = provenance || %(provenance)s::jsonb, version = version + 1, updated_at = clock_timestamp()
where id = %(id)s
returning {COLUMNS}
"""
