"""Dead letters: what could not be used, and what a person does about it."""

from http import HTTPStatus
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, model_validator

from api import deps
from api.paging import Page, cursor_of, cut, read_moment
from api.queries import dead
from api.queries.dead import DeadDetail, DeadFilter, DeadKind, DeadView, detail, view
from api.versions import IfMatch, read_version, tag
from pipelines.store import dead as store
from pipelines.store import dead_sweep
from pipelines.store.dead_sweep import MAX_LETTERS
from pipelines.store.idempotency import once
from schemas.dead import DeadEdit, DeadLike

router = APIRouter(prefix="/api/dead", tags=["dead letters"])
# A letter is a UUID already in its path: else /summary, /requeue and /drop would be letters for the other methods.


class Kind(DeadLike):
    """Which letters are meant: a stage, a reason, or both."""

    limit: Annotated[int, Field(ge=1, le=MAX_LETTERS)] = MAX_LETTERS

    @model_validator(mode="after")
    def _narrowed(self) -> Self:
        if self.stage is None and self.reason is None:
            raise ValueError("name a stage, a reason, or both")
        return self


class Round(Kind):
    """Which letters are to go round again: of those that wait, so many, behind the cursor of the answer before."""

    state: None = None
    cursor: Annotated[str | None, Field(max_length=200)] = None


class Requeued(BaseModel):
    """How many letters will go round, how many are not fit to; ``next_cursor`` is None when all were looked at."""

    asked: int
    refused: int
    next_cursor: str | None


class Dropped(BaseModel):
    """How many letters are gone, and how many of the same kind are left."""

    dropped: int
    left: int


@router.get("")
async def newest(conn: deps.Read, workspace: deps.Workspace, wanted: Annotated[DeadFilter, Query()]) -> Page[DeadView]:
    """List dead letters, the latest first, without their bytes."""
    rows = await dead.page(conn, workspace, wanted, behind=read_moment(wanted.cursor), limit=wanted.limit + 1)
    items, more = cut(rows, wanted.limit)
    return Page(items=items, next_cursor=cursor_of(items[-1].last_at, items[-1].id) if more else None)


@router.get("/summary")
async def summary(conn: deps.Read, workspace: deps.Workspace, like: Annotated[DeadLike, Query()]) -> Page[DeadKind]:
    """Count dead letters by stage and reason, the most frequent first."""
    return Page(items=await dead.kinds(conn, workspace, like))


@router.post("/requeue", status_code=HTTPStatus.ACCEPTED)
async def requeue_many(
    conn: deps.Write, workspace: deps.Workspace, kind: Round, key: deps.IdempotencyKey = None
) -> Requeued:
    """Ask for the waiting letters of a kind to be sent round again, the oldest first."""
    behind = read_moment(kind.cursor)

    async def do() -> str:
        like = DeadLike(stage=kind.stage, reason=kind.reason)
        done = await dead_sweep.requeue(conn, workspace, like, behind=behind, limit=kind.limit, actor=deps.ACTOR)
        cursor = cursor_of(*done.end) if done.end else None
        return Requeued(asked=done.asked, refused=done.refused, next_cursor=cursor).model_dump_json()

    return Requeued.model_validate_json(await once(conn, workspace, key, f"requeue {kind.model_dump_json()}", do))


@router.post("/drop")
async def drop_many(
    conn: deps.Write, workspace: deps.Workspace, kind: Kind, key: deps.IdempotencyKey = None
) -> Dropped:
    """Delete the letters of a kind for good, the oldest first."""

    async def do() -> str:
        like = DeadLike(stage=kind.stage, reason=kind.reason, state=kind.state)
        done = await dead_sweep.drop(conn, workspace, like, limit=kind.limit, actor=deps.ACTOR)
        return Dropped(dropped=done.dropped, left=done.left).model_dump_json()

    return Dropped.model_validate_json(await once(conn, workspace, key, f"drop {kind.model_dump_json()}", do))


@router.get("/{letter:uuid}", response_model_exclude_unset=True)
async def one(conn: deps.Read, workspace: deps.Workspace, letter: UUID, response: Response) -> DeadDetail:
    """Show a dead letter with its original bytes, and beside them the edited ones: as text or, else, as base64."""
    found = await dead.one(conn, workspace, letter)
    tag(response, found.version)
    return detail(found)


@router.patch("/{letter:uuid}", response_model_exclude_unset=True)
async def edit(
    conn: deps.Write,
    workspace: deps.Workspace,
    letter: UUID,
    given: DeadEdit,
    response: Response,
    if_match: IfMatch = None,
) -> DeadDetail:
    """Give a letter other bytes to go round with, beside its original ones; ``If-Match`` says which version you saw."""
    version = read_version(if_match)
    changed = await store.edit(conn, workspace, letter, given.body, actor=deps.ACTOR, version=version)
    tag(response, changed.version)
    return detail(changed)


@router.post("/{letter:uuid}/requeue", status_code=HTTPStatus.ACCEPTED)
async def requeue(
    conn: deps.Write, workspace: deps.Workspace, letter: UUID, response: Response, key: deps.IdempotencyKey = None
) -> DeadView:
    """Ask for a letter to be sent round again, edited if it was; it goes within a moment."""

    async def do() -> str:
        return view(await store.requeue(conn, workspace, letter, actor=deps.ACTOR)).model_dump_json()

    asked = DeadView.model_validate_json(await once(conn, workspace, key, f"requeue {letter}", do))
    tag(response, asked.version)
    return asked


@router.delete("/{letter:uuid}", status_code=HTTPStatus.NO_CONTENT)
async def drop(conn: deps.Write, workspace: deps.Workspace, letter: UUID, key: deps.IdempotencyKey = None) -> None:
    """Delete a dead letter for good."""

    async def do() -> str:
        await store.drop(conn, workspace, letter, actor=deps.ACTOR)
        return "{}"

    await once(conn, workspace, key, f"drop {letter}", do)
