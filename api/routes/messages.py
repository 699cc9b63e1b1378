"""Messages: listed, and taken in."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Body, Path, Query
from pydantic import BaseModel, Discriminator, Field, Tag

from api import deps
from api.paging import Page, cursor_of, cut, read_cursor
from api.queries import messages, tasks
from api.queries.messages import MessageDetail, MessageFilter, MessageView
from pipelines.store import sources
from schemas.messages import MessageLine, Origin

router = APIRouter(prefix="/api/messages", tags=["messages"])

CHANNEL = "api"
"""The channel of messages that come in here."""


def _shape(given: object) -> str:
    return "list" if isinstance(given, list) else "message"


_Lines = Annotated[list[MessageLine], Field(min_length=1, max_length=1_000)]
# Told apart by their shape, so that an error speaks of what was sent and not of what it might have been.
Lines: TypeAlias = Annotated[
    Annotated[MessageLine, Tag("message")] | Annotated[_Lines, Tag("list")], Discriminator(_shape)
]


class Accepted(BaseModel):
    """How many messages are on NATS's disk now."""

    accepted: int


@router.get("")
async def newest(
    conn: deps.Read,
    workspace: deps.Workspace,
    wanted: Annotated[MessageFilter, Query()],
) -> Page[MessageView]:
    """List messages, newest first, with the latest verdict on each."""
    below = read_cursor(wanted.cursor)
    rows = await messages.page(conn, workspace, wanted, below=below, limit=wanted.limit + 1)
    items, more = cut(rows, wanted.limit)
    return Page(items=items, next_cursor=cursor_of(items[-1].id if more else None))


@router.get("/{message}")
async def one(
    conn: deps.Read, workspace: deps.Workspace, message: Annotated[int, Path(ge=1, le=2**62)]
) -> MessageDetail:
    """Show a message with its other versions and all verdicts."""
    found = await messages.one(conn, workspace, message)
    return MessageDetail(
        **found.model_dump(),
        revisions=await messages.revisions(conn, message),
        verdicts=await tasks.verdicts(conn, [message]),
    )


@router.post("", status_code=HTTPStatus.ACCEPTED)
async def take(house: deps.HouseDep, workspace: deps.Workspace, given: Annotated[Lines, Body()]) -> Accepted:
    """Take in one message or a list of them, in the import format; answered when NATS has them on disk."""
    lines = given if isinstance(given, list) else [given]
    async with house.resources.write.connection() as conn, conn.transaction():
        for source in sorted({line.source for line in lines}):
            await sources.ensure(conn, workspace, source, CHANNEL)
    now = datetime.now(UTC)
    raws = [line.to_raw(workspace=workspace, channel=CHANNEL, origin=Origin.LIVE, received_at=now) for line in lines]
    await house.resources.publisher.publish(raws)
    return Accepted(accepted=len(raws))
