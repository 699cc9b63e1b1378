"""The database's own health, and how far the relay is behind."""

from typing import Any

from psycopg import AsyncConnection


async def revision(conn: AsyncConnection[Any]) -> str:
    """Name the shape that the database has."""
    rows = await conn.execute("select version_num from alembic_version")
    row = await rows.fetchone()
    return str(row[0]) if row else ""


async def relay_lag(conn: AsyncConnection[Any]) -> dict[str, float]:
    """Count the events that wait for their position, and say how long the oldest has waited, in seconds."""
    rows = await conn.execute(_LAG)
    [(waiting, seconds)] = await rows.fetchall()
    return {"waiting": waiting, "seconds": round(float(seconds), 3)}


_LAG = """
select count(*), coalesce(extract(epoch from clock_timestamp() - min(at)), 0) from outbox join events using (seq)
"""
