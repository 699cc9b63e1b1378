"""A dead letter: what could not be used, kept with its reason until a person decides."""

from datetime import datetime
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict

_NAMESPACE = UUID("b7f0f9a4-52d8-4a1e-9a55-6d1f1a0f6f02")


class DeadLetter(BaseModel):
    """The original bytes, the stage that gave up, why, how often and when.

    ``requeued_at`` is None until somebody sent it round again.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    workspace: str
    subject: str
    stage: str
    reason: str
    body: bytes
    tries: int
    first_at: datetime
    last_at: datetime
    requeued_at: datetime | None = None


def dead_letter_id(subject: str, stage: str, body: bytes) -> UUID:
    """Name a dead letter by what died where: the same bytes at the same stage are one letter, tried again."""
    return uuid5(_NAMESPACE, f"{subject}\x1f{stage}\x1f{body.hex()}")
