"""Verdicts at rest: every judge's word on every message is kept."""

import json
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from schemas.verdicts import Verdict


async def record(conn: AsyncConnection[Any], verdicts: Sequence[tuple[str, int, Verdict]]) -> None:
    """Add verdicts, each with the workspace and the id of its message."""
    if not verdicts:
        return
    await conn.execute(
        _RECORD,
        {
            "workspace": [workspace for workspace, _, _ in verdicts],
            "message": [message for _, message, _ in verdicts],
            "judge": [verdict.judge for _, _, verdict in verdicts],
            "decided_by": [verdict.decided_by.value for _, _, verdict in verdicts],
            "category": [verdict.category.value for _, _, verdict in verdicts],
            "confidence": [verdict.confidence for _, _, verdict in verdicts],
            "alternatives": [json.dumps(verdict.alternatives) for _, _, verdict in verdicts],
            "spans": [json.dumps(verdict.spans) for _, _, verdict in verdicts],
            "reason": [verdict.reason for _, _, verdict in verdicts],
            "doubtful": [verdict.doubtful for _, _, verdict in verdicts],
        },
    )


_RECORD = """
insert into verdicts
    (workspace, message, judge, decided_by, category, confidence, alternatives, spans, reason, doubtful)
select workspace, message, judge, decided_by, category, confidence, alternatives::jsonb, spans::jsonb, reason, doubtful
from unnest(%(workspace)s::text[], %(message)s::bigint[], %(judge)s::text[], %(decided_by)s::text[],
            %(category)s::text[], %(confidence)s::real[], %(alternatives)s::text[], %(spans)s::text[],
            %(reason)s::text[], %(doubtful)s::bool[])
    as given(workspace, message, judge, decided_by, category, confidence, alternatives, spans, reason, doubtful)
"""
