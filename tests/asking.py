"""Asking the database what is in it."""

from typing import Any

import psycopg
from psycopg.rows import dict_row

Conn = psycopg.AsyncConnection[Any]


async def rows(conn: Conn, query: str, *values: Any) -> list[dict[str, Any]]:
    """List what a query finds."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()


async def told(conn: Conn, prefix: str = "") -> list[dict[str, Any]]:
    """List the events whose type begins with ``prefix``, in their order."""
    return await rows(conn, "select * from events where starts_with(type, %s) order by seq", prefix)
