"""Sources at rest: which inlets there are, their settings and secrets."""

from typing import Any

from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import class_row, kwargs_row
from psycopg.types.json import Jsonb

from connectors.contract import KnownSource
from pipelines.store import events
from pipelines.store.events import NewEvent
from schemas.errors import Conflict, NotFound
from schemas.events import EventType
from schemas.sources import NewSource, Source, SourceState


async def register(conn: AsyncConnection[Any], workspace: str, new: NewSource, *, actor: str) -> Source:
    """Store a source or change the one of that name; without secrets it keeps those that it has.

    Raises Conflict when the one of that name is of another channel.
    """
    values = [workspace, new.slug, new.channel, Jsonb(new.settings), new.secrets]
    async with conn.cursor(row_factory=class_row(Source)) as cursor:
        await cursor.execute(_REGISTER, values)
        source = await cursor.fetchone()
    if source is None:
        raise Conflict(f"source {new.slug} exists already, of another channel")
    await _tell(conn, source, actor=actor)
    return source


async def ensure(conn: AsyncConnection[Any], workspace: str, slug: str, channel: str) -> None:
    """Register a source on first use; raises Conflict when it is of another channel, or paused."""
    async with conn.cursor(row_factory=class_row(Source)) as cursor:
        found = await _look(cursor, workspace, slug)
        if found is None:
            # Somebody else may register it meanwhile, with settings: those stay.
            await cursor.execute(_ENSURE, [workspace, slug, channel])
            made = await cursor.fetchone()
            if made is not None:
                await _tell(conn, made, actor=channel)
                return
            found = await _look(cursor, workspace, slug)
    if found is not None and found.channel != channel:
        raise Conflict(f"source {slug} belongs to channel {found.channel}, not to {channel}: choose another name")
    if found is not None and found.state is SourceState.PAUSED:
        raise Conflict(f"source {slug} is paused")


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
    await _tell(conn, source, actor=actor)
    return source


async def _look(cursor: AsyncCursor[Source], workspace: str, slug: str) -> Source | None:
    await cursor.execute(_LOOK, [workspace, slug])
    return await cursor.fetchone()


async def _tell(conn: AsyncConnection[Any], source: Source, *, actor: str) -> None:
    data = source.model_dump(mode="json")
    await events.append(conn, [NewEvent(source.workspace, EventType.SOURCE_UPDATED, actor, data=data)])


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

_ENSURE = """
insert into sources (workspace, slug, channel) values (%s, %s, %s) on conflict do nothing
returning workspace, slug, channel, settings, state
"""

_LOOK = "select workspace, slug, channel, settings, state from sources where workspace = %s and slug = %s"

_FIND = "select workspace, slug, channel, settings, secrets, state from sources where workspace = %s and slug = %s"

_SET_STATE = """
update sources set state = %s where workspace = %s and slug = %s returning workspace, slug, channel, settings, state
"""
