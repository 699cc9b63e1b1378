"""An event: what changed, in order, once."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class EventType(StrEnum):
    """What happened; the last part of the subject ``results.<workspace>.<event>``."""

    MESSAGE_PROCESSED = "message.processed"
    MESSAGE_EDITED = "message.edited"
    MESSAGE_DELETED = "message.deleted"
    TASK_CREATED = "task.created"
    TASK_UPDATED = "task.updated"
    TASK_REVIEWED = "task.reviewed"
    TASK_COMMENTED = "task.commented"
    SOURCE_UPDATED = "source.updated"
    DEAD_BURIED = "dead.buried"
    DEAD_EDITED = "dead.edited"
    DEAD_REQUEUED = "dead.requeued"
    DEAD_SENT = "dead.sent"
    DEAD_DROPPED = "dead.dropped"


class Event(BaseModel):
    """One change, told in the transaction that made it.

    ``position`` is dense and rising by one, given by the relay; it is None before that. ``task`` and ``message`` name
    what changed; ``data`` says how (a task event carries the whole task as it then was).
    """

    model_config = ConfigDict(frozen=True)

    v: Literal[1] = 1
    id: UUID
    position: int | None = None
    workspace: str
    type: EventType
    at: datetime
    actor: str
    task: UUID | None = None
    message: int | None = None
    data: dict[str, Any] = Field(default_factory=dict)
