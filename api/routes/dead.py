"""Dead letters: what could not be used."""

from base64 import b64encode
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from api import deps
from api.paging import Page, Paged, cursor_of, cut, read_moment
from api.queries import dead
from api.queries.dead import DeadView

router = APIRouter(prefix="/api/dead", tags=["dead letters"])


@router.get("")
async def newest(conn: deps.Read, workspace: deps.Workspace, wanted: Annotated[Paged, Query()]) -> Page[DeadView]:
    """List dead letters, the latest first, without their bytes."""
    rows = await dead.page(conn, workspace, behind=read_moment(wanted.cursor), limit=wanted.limit + 1)
    items, more = cut(rows, wanted.limit)
    return Page(items=items, next_cursor=cursor_of(items[-1].last_at, items[-1].id) if more else None)


@router.get("/{letter}")
async def one(conn: deps.Read, workspace: deps.Workspace, letter: UUID) -> dict[str, Any]:
    """Show a dead letter with its original bytes: as ``text`` where they are UTF-8, else as ``base64``."""
    found = await dead.one(conn, workspace, letter)
    shown = found.model_dump(mode="json", exclude={"body"})
    try:
        return shown | {"text": found.body.decode()}
    except UnicodeDecodeError:
        return shown | {"base64": b64encode(found.body).decode()}
