"""Workspaces at rest: the teams, and what holds for all of a team's messages."""

from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection


async def time_zones(conn: AsyncConnection[Any]) -> dict[str, tzinfo]:
    """Read the time zone of every workspace."""
    rows = await conn.execute("select slug, time_zone from workspaces")
    return {slug: ZoneInfo(name) for slug, name in await rows.fetchall()}
