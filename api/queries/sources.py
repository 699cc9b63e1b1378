"""Sources as people see them: never with their secrets."""

from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row

from schemas.sources import Source


async def everything(conn: AsyncConnection[Any], workspace: str) -> list[Source]:
    """List the sources, by name."""
    async with conn.cursor(row_factory=class_row(Source)) as cursor:
        await cursor.execute(_EVERYTHING, [workspace])
        return await cursor.fetchall()


_EVERYTHING = "select workspace, slug, channel, settings, state from sources where workspace = %s order by slug"
