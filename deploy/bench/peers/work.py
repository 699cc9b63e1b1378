"""What each peer does with messages: our stages, our store, a result for each event. Part of the peers' programs."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any, TypeAlias

import psycopg
from psycopg_pool import AsyncConnectionPool

from deploy.settings import Settings
from pipelines.judges import rules
from pipelines.stages.classify import classify
from pipelines.stages.extract import extract
from pipelines.stages.normalize import normalize
from pipelines.store.messages import persist
from pipelines.store.readings import CLIP_MESSAGE, evidence_spans
from schemas import subjects
from schemas.events import EventType
from schemas.messages import RawMessage
from schemas.tasks import Extracted, task_id

NAME = "peer"
"""How the connections of a worker begin their names, by which they are counted."""

HUSHED = "hushed"
"""The schema in which the store finds a pg_notify that does nothing: no relay is to be woken."""

CONNECTIONS = 20

Connection: TypeAlias = psycopg.AsyncConnection[Any]
Pool: TypeAlias = AsyncConnectionPool[Connection]


@dataclass(frozen=True, slots=True)
class Result:
    """What is published to RESULTS for one event."""

    subject: str
    body: bytes
    headers: dict[str, str]


def pool(settings: Settings, *, size: int = CONNECTIONS) -> Pool:
    """Make a pool that is not open yet; no connection is tried before it is handed out."""
    return AsyncConnectionPool(
        settings.database("write"),
        connection_class=psycopg.AsyncConnection[Any],
        kwargs=connection_options(),
        min_size=size,
        max_size=size,
        open=False,
    )


def connection_options() -> dict[str, Any]:
    """Name the connections after this process, and let them wake nobody."""
    path = f"-c search_path={HUSHED},public,pg_catalog"
    return {"autocommit": True, "application_name": f"{NAME}-{os.getpid()}", "options": path}


def read(bodies: Sequence[bytes | str]) -> list[Extracted]:
    """Take messages through the stages."""
    raws = [RawMessage.model_validate_json(body) for body in bodies]
    return extract(classify(normalize(raws), judge=rules.judge), time_zone=_utc)


async def store(opened: Pool, found: Sequence[Extracted]) -> None:
    """Store what was found, in one transaction."""
    async with opened.connection() as conn:
        await persist(conn, found)


def results(found: Sequence[Extracted]) -> list[Result]:
    """Write a result for each event that the store has told of: of the message, and of each task."""
    return [result for item in found for result in _results(item)]


def _utc(_: str) -> tzinfo:
    return UTC


def _results(item: Extracted) -> list[Result]:
    raw, verdict = item.message.raw, item.verdict
    tasks = [str(task_id(raw.key, ordinal)) for ordinal in range(len(item.tasks))]
    of_message = {
        "source": raw.source,
        "channel": raw.channel,
        "conversation": raw.conversation,
        "author": raw.author,
        "sent_at": raw.sent_at.isoformat(),
        "text": item.message.text[:CLIP_MESSAGE],
        "category": verdict.category,
        "confidence": verdict.confidence,
        "reason": verdict.reason,
        "tasks": tasks,
    }
    made = [_result(raw, EventType.MESSAGE_PROCESSED, str(raw.key), of_message)]
    for task, extraction in zip(tasks, item.tasks, strict=True):
        of_task = of_message | {
            "task": task,
            "title": extraction.title.value,
            "priority": extraction.priority.value,
            "assignee": extraction.assignee and extraction.assignee.value,
            "due": extraction.due and extraction.due.value.isoformat(),
            "labels": [label.value for label in extraction.labels],
            "spans": evidence_spans(verdict, extraction),
        }
        made.append(_result(raw, EventType.TASK_CREATED, task, of_task))
    return made


def _result(raw: RawMessage, kind: EventType, name: str, data: dict[str, Any]) -> Result:
    headers = {"Nats-Msg-Id": f"{kind} {name}"}
    return Result(subjects.results(raw.workspace, kind), json.dumps({"type": kind, "data": data}).encode(), headers)
