"""Tasks: listed, made by hand, changed, judged, talked about."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api import deps
from api.paging import Page, cursor_of, cut, read_cursor
from api.queries import events, tasks
from api.queries.tasks import TaskDetail, TaskFilter, TaskView
from api.versions import IfMatch, read_version, tag
from pipelines.store import comments as comment_store
from pipelines.store import tasks as store
from pipelines.store.idempotency import once
from schemas.tasks import Comment, NewComment, NewTask, ReviewDecision, Task, TaskChange

router = APIRouter(prefix="/api/tasks", tags=["tasks"])

HISTORY = 200


@router.get("")
async def newest(
    conn: deps.Read,
    workspace: deps.Workspace,
    wanted: Annotated[TaskFilter, Query()],
) -> Page[TaskView]:
    """List tasks, newest first, each with the messages that it stands on."""
    below = read_cursor(wanted.cursor)
    rows = await tasks.page(conn, workspace, wanted, below=below, limit=wanted.limit + 1)
    items, more = cut(rows, wanted.limit)
    return Page(items=items, next_cursor=cursor_of(items[-1].number if more else None))


@router.get("/{name}")
async def one(conn: deps.Read, workspace: deps.Workspace, name: str, response: Response) -> TaskDetail:
    """Show a task, by id or number, with its evidence, comments, history and verdicts."""
    task = await tasks.one(conn, workspace, name)
    evidence = (await tasks.evidence(conn, [task.id]))[task.id]
    tag(response, task.version)
    return TaskDetail(
        **task.model_dump(),
        evidence=evidence,
        comments=await tasks.comments(conn, task.id),
        history=await events.of_task(conn, task.id, limit=HISTORY),
        verdicts=await tasks.verdicts(conn, [each.message for each in evidence]),
    )


@router.post("", status_code=HTTPStatus.CREATED)
async def create(
    conn: deps.Write, workspace: deps.Workspace, new: NewTask, response: Response, key: deps.IdempotencyKey = None
) -> Task:
    """Make a task by hand."""

    async def do() -> str:
        return (await store.create(conn, workspace, new, actor=deps.ACTOR)).model_dump_json()

    task = Task.model_validate_json(await once(conn, workspace, key, f"task {new.model_dump_json()}", do))
    response.headers["Location"] = f"/api/tasks/{task.id}"
    tag(response, task.version)
    return task


@router.patch("/{task}")
async def change(
    conn: deps.Write,
    workspace: deps.Workspace,
    task: UUID,
    wanted: TaskChange,
    response: Response,
    if_match: IfMatch = None,
) -> Task:
    """Change a task's fields; ``If-Match`` says which version you saw."""
    changed = await store.change(conn, workspace, task, wanted, actor=deps.ACTOR, version=read_version(if_match))
    tag(response, changed.version)
    return changed


@router.post("/{task}/review")
async def review(
    conn: deps.Write,
    workspace: deps.Workspace,
    task: UUID,
    decision: ReviewDecision,
    response: Response,
    if_match: IfMatch = None,
) -> Task:
    """Accept a reading, correct it, or say that it is no task."""
    judged = await store.review(conn, workspace, task, decision, actor=deps.ACTOR, version=read_version(if_match))
    tag(response, judged.version)
    return judged


@router.post("/{task}/comments", status_code=HTTPStatus.CREATED)
async def comment(
    conn: deps.Write, workspace: deps.Workspace, task: UUID, new: NewComment, key: deps.IdempotencyKey = None
) -> Comment:
    """Say something about a task."""

    async def do() -> str:
        return (await comment_store.add(conn, workspace, task, new, actor=deps.ACTOR)).model_dump_json()

    return Comment.model_validate_json(await once(conn, workspace, key, f"comment {task} {new.text}", do))
