"""Messages as people see them: with the latest verdict and the tasks read out of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from psycopg import AsyncConnection
from psycopg.rows import class_row
from pydantic import BaseModel, Field

from api.paging import Paged
from api.queries.tasks import VerdictView
from schemas.errors import NotFound
from schemas.messages import Kind, Origin
from schemas.verdicts import Category

Conn = AsyncConnection[Any]


class MessageView(BaseModel):
    """A message, its latest verdict and the ids of the tasks that it gave birth to."""

    id: int
    source: str
    external_id: str
    channel: str
    conversation: str | None
    reply_to: str | None
    author: str | None
    author_name: str | None
    sent_at: datetime
    text: str
    language: str
    origin: Origin
    revision: int
    deleted: bool
    verdict: VerdictView | None
    tasks: list[UUID]


class RevisionView(BaseModel):
    """A version of a message that is not the one shown."""

    kind: Kind
    revision: int
    text: str
    received_at: datetime


class MessageDetail(MessageView):
    """All that is known of a message."""

    revisions: list[RevisionView] = Field(default_factory=list)
    verdicts: list[VerdictView] = Field(default_factory=list)


class MessageFilter(Paged):
    """Which messages to list; what is left out does not filter."""

    source: Annotated[str | None, Query(max_length=40)] = None
    channel: Annotated[str | None, Query(max_length=40)] = None
    conversation: Annotated[str | None, Query(max_length=512)] = None
    category: Category | None = None
    has_task: bool | None = None


async def page(
    conn: Conn, workspace: str, wanted: MessageFilter, *, below: int | None, limit: int
) -> Sequence[MessageView]:
    """List messages with an id below ``below`` (None: all), newest first; at most ``limit``."""
    async with conn.cursor(row_factory=class_row(MessageView)) as cursor:
        await cursor.execute(_PAGE, wanted.model_dump() | {"workspace": workspace, "below": below, "limit": limit})
        return await cursor.fetchall()


async def one(conn: Conn, workspace: str, message: int) -> MessageView:
    """Find a message; raises NotFound."""
    async with conn.cursor(row_factory=class_row(MessageView)) as cursor:
        await cursor.execute(_ONE, [workspace, message])
        found = await cursor.fetchone()
    if found is None:
        raise NotFound(f"no message {message}")
    return found


async def revisions(conn: Conn, message: int) -> list[RevisionView]:
    """List the other versions of a message, oldest first."""
    async with conn.cursor(row_factory=class_row(RevisionView)) as cursor:
        await cursor.execute(_REVISIONS, [message])
        return await cursor.fetchall()


_COLUMNS = """
    messages.id, source, external_id, channel, conversation, reply_to, author, author_name, sent_at, text, language,
    origin, revision, deleted, verdict,
    array(select tasks.id from tasks where tasks.origin = messages.id order by ordinal) as tasks
"""

_LATEST = """
left join lateral (
    select category as latest, jsonb_build_object(
        'category', category, 'confidence', confidence, 'decided_by', decided_by, 'judge', judge, 'reason', reason,
        'spans', spans, 'alternatives', alternatives, 'doubtful', doubtful, 'at', at) as verdict
    from verdicts where verdicts.message = messages.id order by verdicts.id desc limit 1
) as judged on true
"""

_PAGE = f"""
select {_COLUMNS} from messages {_LATEST}
where workspace = %(workspace)s
  and (%(below)s::bigint is null or messages.id < %(below)s)
  and (%(source)s::text is null or source = %(source)s)
  and (%(channel)s::text is null or channel = %(channel)s)
  and (%(conversation)s::text is null or conversation = %(conversation)s)
  and (%(category)s::text is null or latest = %(category)s)
  and (%(has_task)s::bool is null
       or %(has_task)s = exists (select from tasks where tasks.origin = messages.id))
order by messages.id desc
limit %(limit)s
"""

_ONE = f"select {_COLUMNS} from messages {_LATEST} where workspace = %s and messages.id = %s"

_REVISIONS = """
select kind, revision, text, received_at from revisions where message = %s order by kind = 'delete', revision, digest
"""
