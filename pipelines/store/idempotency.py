"""Requests done once: the answer to a key is stored with the change that it belongs to."""

import json
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

from psycopg import AsyncConnection

from schemas.errors import Conflict

KEPT_DAYS = 30
"""How long a key is remembered; commands are redelivered for seven days at most (see deploy/streams.py)."""


async def once(
    conn: AsyncConnection[Any], workspace: str, key: str | None, request: str, do: Callable[[], Awaitable[str]]
) -> str:
    """Do something and keep its answer (JSON text), or return the answer of the first time.

    Without a key it is simply done. The same key with another request raises Conflict. Two at the same time: the
    second waits for the first one's transaction.
    """
    if key is None:
        return await do()
    await forget(conn)
    digest = sha256(request.encode()).hexdigest()
    rows = await conn.execute(_CLAIM, [workspace, f"request:{key}", digest])
    if await rows.fetchone() is not None:
        answer = await do()
        # The row is ours alone until the commit.
        await conn.execute(_ANSWER, [answer, workspace, f"request:{key}"])
        return answer
    rows = await conn.execute(_KNOWN, [workspace, f"request:{key}"])
    [(known, response)] = await rows.fetchall()
    if known != digest:
        raise Conflict("this Idempotency-Key was used for another request")
    return json.dumps(response)


async def forget(conn: AsyncConnection[Any]) -> None:
    """Delete some of the keys that are too old; who adds one calls this, so they never pile up."""
    await conn.execute(_FORGET, [KEPT_DAYS])


_FORGET = """
delete from idempotency where ctid = any(array(
    select ctid from idempotency where at < clock_timestamp() - make_interval(days => %s)
    order by at limit 10 for update skip locked
))
"""

_CLAIM = """
insert into idempotency (workspace, key, request, response) values (%s, %s, %s, '{}')
on conflict do nothing returning key
"""

_KNOWN = "select request, response from idempotency where workspace = %s and key = %s"

_ANSWER = "update idempotency set response = %s::jsonb where workspace = %s and key = %s"
