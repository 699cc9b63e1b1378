"""Sources at rest: which inlets there are, their settings and secrets."""

from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row, kwargs_row
from psycopg.types.json import Jsonb

from connectors.contract import KnownSource
from pipelines.store import events
from pipelines.store.events import NewEvent
from schemas.errors import Conflict, NotFound
from schemas.events import EventType
from schemas.sources import NewSource, Source, SourceState


async def register(conn: AsyncConnection[Any], workspace: str, new: NewSource, *, actor: str) -> Source:
    """Store a source or change the one of that name; raises Conflict when that one is of another channel."""
    values = [workspace, new.slug, new.channel, Jsonb(new.settings), new.secrets]
    async with conn.cursor(row_factory=class_row(Source)) as cursor:
        await cursor.execute(_REGISTER, values)
        source = await cursor.fetchone()
    if source is None:
        raise Conflict(f"source {new.slug} exists already, of another channel")
    data = source.model_dump(mode="json")
    await events.append(conn, [NewEvent(workspace, EventType.SOURCE_UPDATED, actor, data=data)])
    return source


async def ensure(conn: AsyncConnection[Any], workspace: str, slug: str, channel: str) -> None:
    """Register a source on first use; raises Conflict when it is of another channel."""
    rows = await conn.execute("select channel from sources where workspace = %s and slug = %s", [workspace, slug])
    found = await rows.fetchone()
    if found is None:
        await register(conn, workspace, NewSource(slug=slug, channel=channel), actor=channel)
    elif found[0] != channel:
        raise Conflict(f"source {slug} belongs to channel {found[0]}, not to {channel}: choose another name")


async def find(conn: AsyncConnection[Any], workspace: str, slug: str) -> KnownSource | None:
    """Find a source with its secrets, for its inlet; None when there is no such one."""
    async with conn.cursor(row_factory=kwargs_row(_known)) as cursor:
        await cursor.execute(_FIND, [workspace, slug])
        return await cursor.fetchone()


async def set_state(conn: AsyncConnection[Any], workspace: str, slug: str, state: SourceState, *, actor: str) -> Source:
    """Pause a source or make it active again; raises NotFound."""
    async with conn.cursor(row_factory=class_row(Source)) as cursor:
        await cursor.execute(_SET_STATE, [state, workspace, slug])
        source = await cursor.fetchone()
    if source is None:
        raise NotFound(f"no source {slug}")
    data = source.model_dump(mode="json")
    await events.append(conn, [NewEvent(workspace, EventType.SOURCE_UPDATED, actor, data=data)])
    return source


def _known(secrets: list[str], state: str, **rest: Any) -> KnownSource:
    return KnownSource(secrets=tuple(secrets), paused=state == SourceState.PAUSED, **rest)


_REGISTER = """
insert into sources as held (workspace, slug, channel, settings, secrets) values (%s, %s, %s, %s, %s)
on conflict (workspace, slug) do update set
    settings = excluded.settings,
    secrets = case when excluded.secrets = '{}' then held.secrets else excluded.secrets end
where held.channel = excluded.channel
returning workspace, slug, channel, settings, state
"""

_FIND = "select workspace, slug, channel, settings, secrets, state from sources where workspace = %s and slug = %s"

_SET_STATE = """
update sources set state = %s where workspace = %s and slug = %s returning workspace, slug, channel, settings, state
"""
