"""Dead letters as people see them."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from psycopg import AsyncConnection
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict

from api.paging import Paged
from pipelines.store.dead import COLUMNS
from pipelines.store.dead_sweep import LIKE
from pipelines.store.roads import why_not
from schemas.dead import DeadLetter, DeadLike, DeadState
from schemas.errors import NotFound

MOST_KINDS = 500
"""Kinds of letters in a summary."""


class DeadView(BaseModel):
    """A dead letter without its bytes; ``bytes`` is how many there are, edited ones if it was."""

    model_config = ConfigDict(extra="ignore")

    id: UUID
    subject: str
    stage: str
    reason: str
    state: DeadState
    version: int
    bytes: int
    tries: int
    first_at: datetime
    last_at: datetime
    edited_at: datetime | None
    asked_at: datetime | None
    requeued_at: datetime | None


class Content(BaseModel):
    """Bytes: as ``text`` where they are UTF-8, else as ``base64``."""

    text: str | None = None
    base64: str | None = None


class DeadDetail(DeadView, Content):
    """A dead letter with its original bytes and, where it was edited, those that go round in their place.

    ``unfit`` says why it cannot go round as it is; None: it can.
    """

    workspace: str
    edited: Content | None
    unfit: str | None


class DeadKind(BaseModel):
    """Letters that died of the same, by their state; ``reason`` is without the key of the message."""

    stage: str
    reason: str
    letters: int
    waiting: int
    asked: int
    sent: int
    first_at: datetime
    last_at: datetime


class DeadFilter(Paged, DeadLike):
    """Which dead letters to list; what is left out does not filter."""

    stage: Annotated[str | None, Query(max_length=40)] = None
    reason: Annotated[str | None, Query(max_length=600, description="Whole, or without the message's key.")] = None
    state: DeadState | None = None


async def page(
    conn: AsyncConnection[Any], workspace: str, wanted: DeadFilter, *, behind: tuple[datetime, UUID] | None, limit: int
) -> Sequence[DeadView]:
    """List dead letters by their last death, the latest first, behind that one (None: all); at most ``limit``."""
    at, letter = behind or (None, None)
    given = wanted.model_dump() | {"workspace": workspace, "at": at, "letter": letter, "limit": limit}
    async with conn.cursor(row_factory=class_row(DeadView)) as cursor:
        await cursor.execute(_PAGE, given)
        return await cursor.fetchall()


async def one(conn: AsyncConnection[Any], workspace: str, letter: UUID) -> DeadLetter:
    """Find a dead letter with its bytes; raises NotFound."""
    async with conn.cursor(row_factory=class_row(DeadLetter)) as cursor:
        await cursor.execute(_ONE, [workspace, letter])
        found = await cursor.fetchone()
    if found is None:
        raise NotFound(f"no dead letter {letter}")
    return found


async def kinds(conn: AsyncConnection[Any], workspace: str, like: DeadLike) -> Sequence[DeadKind]:
    """Count dead letters by stage and reason, the most frequent first."""
    async with conn.cursor(row_factory=class_row(DeadKind)) as cursor:
        await cursor.execute(_KINDS, like.model_dump() | {"workspace": workspace, "limit": MOST_KINDS})
        return await cursor.fetchall()


def view(letter: DeadLetter) -> DeadView:
    """Show a letter without its bytes."""
    return DeadView(**letter.model_dump(), bytes=len(letter.present))


def detail(letter: DeadLetter) -> DeadDetail:
    """Show a letter whole."""
    return DeadDetail(
        **view(letter).model_dump(),
        **content(letter.body).model_dump(exclude_unset=True),
        workspace=letter.workspace,
        edited=None if letter.edited is None else content(letter.edited),
        unfit=why_not(letter.subject, letter.present),
    )


def content(body: bytes) -> Content:
    """Show bytes; only the form that fits them is set."""
    try:
        return Content(text=body.decode())
    except UnicodeDecodeError:
        return Content(base64=b64encode(body).decode())


_PAGE = f"""
select id, subject, stage, reason, state, version, length(coalesce(edited, body)) as bytes, tries, first_at, last_at,
       edited_at, asked_at, requeued_at
from dead_letters
where workspace = %(workspace)s and {LIKE}
  and (%(at)s::timestamptz is null or last_at < %(at)s or (last_at = %(at)s and id > %(letter)s::uuid))
order by last_at desc, id limit %(limit)s
"""

_ONE = f"select {COLUMNS} from dead_letters where workspace = %s and id = %s"

_KINDS = f"""
select stage, cause as reason, count(*) as letters, count(*) filter (where state = 'waiting') as waiting,
       count(*) filter (where state = 'asked') as asked, count(*) filter (where state = 'sent') as sent,
       min(first_at) as first_at, max(last_at) as last_at
from dead_letters
where workspace = %(workspace)s and {LIKE}
group by stage, cause order by letters desc, stage, cause limit %(limit)s
"""
