"""A command: what a person pressed or typed in a channel; the payload of subjects ``commands.>``."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from schemas.messages import Name
from schemas.subjects import Slug
from schemas.tasks import ReviewDecision, TaskChange


class Command(BaseModel):
    """One wish about one task, done once however often it arrives; ``id`` is the platform's own for the press."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: Literal[1] = 1
    id: Name
    workspace: Slug = "default"
    actor: Name
    task: UUID
    change: TaskChange | None = None
    review: ReviewDecision | None = None
