"""Many dead letters at once: requeued or dropped by stage, reason and state, and forgotten by age."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from pipelines.store import dead
from pipelines.store.roads import why_not
from schemas.dead import DeadLetter, DeadLike, DeadState

MAX_LETTERS = 1_000
"""Letters of one call, and so of one transaction."""

_AT_ONCE = 20
"""Letters whose bytes are held at a time; each may have a mebibyte."""

LIKE = """
    (%(stage)s::text is null or stage = %(stage)s)
    and (%(reason)s::text is null or cause = %(reason)s or reason = %(reason)s)
    and (%(state)s::text is null or state = %(state)s)
"""
"""What a DeadLike asks for, in SQL."""

RETENTION = "retention"
"""Who drops the letters that are too old."""

Place = tuple[datetime, UUID]


class Requeued(NamedTuple):
    """How many were asked for, and how many are not fit to go; behind ``end`` are more, None: there are none."""

    asked: int
    refused: int
    end: Place | None


class Dropped(NamedTuple):
    """How many are gone, and how many of the same kind are left."""

    dropped: int
    left: int


async def requeue(
    conn: AsyncConnection[Any], workspace: str, like: DeadLike, *, behind: Place | None, limit: int, actor: str
) -> Requeued:
    """Ask for the waiting letters of a kind to go round again, the oldest first, at most ``limit`` looked at."""
    at, letter = behind or (None, None)
    given = like.model_dump() | {"state": DeadState.WAITING, "workspace": workspace, "at": at, "letter": letter}
    rows = await conn.execute(_WAITING, given | {"limit": limit + 1})
    places = [(first_at, id) for first_at, id in await rows.fetchall()]
    asked = refused = 0
    for some in _chunks([id for _, id in places[:limit]]):
        held = await _lock(conn, some)
        fit = [each for each in held if why_not(each.subject, each.present) is None]
        if fit:
            await dead.ask(conn, fit, actor=actor)
        asked, refused = asked + len(fit), refused + len(held) - len(fit)
    return Requeued(asked, refused, places[limit - 1] if len(places) > limit else None)


async def drop(conn: AsyncConnection[Any], workspace: str, like: DeadLike, *, limit: int, actor: str) -> Dropped:
    """Delete the letters of a kind for good, the oldest first, at most ``limit``."""
    given = like.model_dump() | {"workspace": workspace, "limit": limit}
    gone = await dead.tell_dropped(conn, actor, _DROP, given)
    rows = await conn.execute(_LEFT, given)
    [(left,)] = await rows.fetchall()
    return Dropped(len(gone), left)


async def forget(conn: AsyncConnection[Any], *, days: int, limit: int = MAX_LETTERS) -> dict[DeadState, int]:
    """Delete letters that nothing happened to for so many days, the oldest first, of all workspaces; count them."""
    async with conn.transaction():
        gone = await dead.tell_dropped(conn, RETENTION, _FORGET, {"days": days, "limit": limit})
    states = [DeadState(each["state"]) for each in gone]
    return {state: states.count(state) for state in DeadState if state in states}


async def _lock(conn: AsyncConnection[Any], letters: Sequence[UUID]) -> list[DeadLetter]:
    """Read letters and hold them; what was asked for, mended or dropped meanwhile is left out, or as it is now."""
    async with conn.cursor(row_factory=class_row(DeadLetter)) as cursor:
        await cursor.execute(_LOCK, {"letters": list(letters), "state": DeadState.WAITING})
        return await cursor.fetchall()


def _chunks(letters: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(letters), _AT_ONCE):
        yield letters[start : start + _AT_ONCE]


_WAITING = f"""
select first_at, id from dead_letters
where workspace = %(workspace)s and {LIKE}
  and (%(at)s::timestamptz is null or (first_at, id) > (%(at)s, %(letter)s::uuid))
order by first_at, id limit %(limit)s
"""

_LOCK = f"""
select {dead.COLUMNS} from dead_letters where id = any(%(letters)s) and state = %(state)s
order by first_at, id for update
"""

_DROP = f"""
delete from dead_letters where id in (
    select id from dead_letters where workspace = %(workspace)s and {LIKE}
    order by first_at, id limit %(limit)s for update
)
returning {dead.DROPPED}
"""

_LEFT = f"select count(*) from dead_letters where workspace = %(workspace)s and {LIKE}"

_FORGET = f"""
delete from dead_letters where id in (
    select id from dead_letters
    where greatest(last_at, edited_at, asked_at, requeued_at) < clock_timestamp() - make_interval(days => %(days)s)
    order by last_at, id limit %(limit)s for update skip locked
)
returning {dead.DROPPED}
"""
