"""Events: all that changed, in the one order."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api import deps
from api.paging import Paged, cursor_of, read_cursor
from api.queries import events
from schemas.events import Event

router = APIRouter(prefix="/api/events", tags=["events"])


class EventPage(BaseModel):
    """Events in the order of their positions; ``position`` is the newest there is, ``epoch`` changes by a restore."""

    items: Sequence[Event]
    next_cursor: str | None
    epoch: UUID
    position: int


class Wanted(Paged):
    """Which events to list."""

    after: Annotated[int, Query(ge=0, le=2**62, description="The last position that you have.")] = 0


@router.get("")
async def after(conn: deps.Read, workspace: deps.Workspace, wanted: Annotated[Wanted, Query()]) -> EventPage:
    """List the events behind a position, oldest first."""
    start = read_cursor(wanted.cursor)
    items = await events.after(conn, workspace, wanted.after if start is None else start, limit=wanted.limit)
    position = await events.newest_position(conn)
    last = items[-1].position if items else None
    more = last if last is not None and last < position else None
    return EventPage(items=items, next_cursor=cursor_of(more), epoch=await events.epoch(conn), position=position)
