"""Counts: how much came, and what was made of it."""

from typing import Any

from psycopg import AsyncConnection
from pydantic import BaseModel


class Stats(BaseModel):
    """Messages, tasks and noise in all, and how they spread."""

    messages: int
    tasks: int
    noise: int
    by_category: dict[str, int]
    by_status: dict[str, int]
    by_source: dict[str, int]


async def stats(conn: AsyncConnection[Any], workspace: str) -> Stats:
    """Count exactly; a message counts under its latest verdict."""
    categories = await _counts(conn, _BY_CATEGORY, workspace)
    statuses = await _counts(conn, _BY_STATUS, workspace)
    sources = await _counts(conn, _BY_SOURCE, workspace)
    return Stats(
        messages=sum(sources.values()),
        tasks=sum(statuses.values()),
        noise=categories.get("noise", 0),
        by_category=categories,
        by_status=statuses,
        by_source=sources,
    )


async def _counts(conn: AsyncConnection[Any], query: str, workspace: str) -> dict[str, int]:
    rows = await conn.execute(query, [workspace])
    return dict(await rows.fetchall())


_BY_CATEGORY = """
select category, count(*) from (
    select distinct on (message) category from verdicts where workspace = %s order by message, id desc
) as latest group by category order by category
"""

_BY_STATUS = "select status, count(*) from tasks where workspace = %s group by status order by status"

_BY_SOURCE = "select source, count(*) from messages where workspace = %s group by source order by source"
