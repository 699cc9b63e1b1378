"""Verdicts at rest: every judge's word on every message is kept."""

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from pipelines.store.recordset import recordset
from schemas.verdicts import Verdict


async def record(conn: AsyncConnection[Any], verdicts: Sequence[tuple[str, int, Verdict]]) -> None:
    """Add verdicts, each with the workspace and the id of its message."""
    if not verdicts:
        return
    given = [
        {
            "workspace": workspace,
            "message": message,
            "judge": verdict.judge,
            "decided_by": verdict.decided_by,
            "category": verdict.category,
            "confidence": verdict.confidence,
            "alternatives": verdict.alternatives,
            "spans": verdict.spans,
            "reason": verdict.reason,
            "doubtful": verdict.doubtful,
        }
        for workspace, message, verdict in verdicts
    ]
    await conn.execute(_RECORD, [recordset(given)])


_RECORD = """
insert into verdicts
    (workspace, message, judge, decided_by, category, confidence, alternatives, spans, reason, doubtful)
select workspace, message, judge, decided_by, category, confidence, alternatives, spans, reason, doubtful
from json_to_recordset(%s::json)
    as given(workspace text, message bigint, judge text, decided_by text, category text, confidence real,
             alternatives jsonb, spans jsonb, reason text, doubtful bool)
"""
