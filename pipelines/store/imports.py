"""Imports at rest: how far each has come, so that one that was broken off goes on."""

from typing import Any

from psycopg import AsyncConnection


async def done(conn: AsyncConnection[Any], workspace: str, key: str) -> int:
    """Return how many bytes of the input are behind us; 0 for one never begun or finished."""
    rows = await conn.execute("select done from imports where workspace = %s and key = %s", [workspace, key])
    row = await rows.fetchone()
    return int(row[0]) if row else 0


async def advance(conn: AsyncConnection[Any], workspace: str, key: str, done: int) -> None:
    """Note how far an import has come; 0 when it is finished: the same again begins anew and adds nothing."""
    await conn.execute(_ADVANCE, [workspace, key, done])


_ADVANCE = """
insert into imports (workspace, key, done) values (%s, %s, %s)
on conflict (workspace, key) do update set done = excluded.done, at = now()
"""
