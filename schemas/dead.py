"""A dead letter: what could not be used, kept with its reason until a person decides."""

from base64 import b64decode
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, model_validator

_NAMESPACE = UUID("b7f0f9a4-52d8-4a1e-9a55-6d1f1a0f6f02")

MAX_BYTES = 1024**2 - 1024
"""Bytes of a letter that can go round: what NATS carries, less the room for headers."""


class DeadState(StrEnum):
    """What is to be done about a letter.

    ``waiting`` for a person; ``asked`` to go round again, and not gone yet; ``sent``, and not died again.
    """

    WAITING = "waiting"
    ASKED = "asked"
    SENT = "sent"


class DeadLetter(BaseModel):
    """The original bytes, the stage that gave up, why, how often and when.

    ``edited`` and ``edited_at`` are None until somebody mended it, ``asked_at`` until somebody asked to send it round
    again (``requeue`` names that wish), ``requeued_at`` until it went.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    workspace: str
    subject: str
    stage: str
    reason: str
    body: bytes
    edited: bytes | None = None
    edited_at: datetime | None = None
    state: DeadState = DeadState.WAITING
    version: int = 1
    tries: int
    first_at: datetime
    last_at: datetime
    requeue: UUID | None = None
    asked_at: datetime | None = None
    requeued_at: datetime | None = None

    @property
    def present(self) -> bytes:
        """The bytes that would go round: the mended ones where there are some."""
        return self.body if self.edited is None else self.edited


class DeadLike(BaseModel):
    """Which letters are meant: those of this stage, with this reason, in this state; None does not narrow.

    ``reason`` is a whole one, or a whole one without the key of the message that it begins with.
    """

    model_config = ConfigDict(extra="forbid")

    stage: Annotated[str | None, Field(min_length=1, max_length=40)] = None
    reason: Annotated[str | None, Field(min_length=1, max_length=600)] = None
    state: DeadState | None = None


class DeadEdit(BaseModel):
    """The bytes that a letter should have: as ``text``, or as ``base64`` where they are no UTF-8."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str | None, Field(max_length=MAX_BYTES)] = None
    base64: Annotated[str | None, Field(max_length=(MAX_BYTES + 2) // 3 * 4)] = None

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if (self.text is None) == (self.base64 is None):
            raise ValueError("give either text or base64")
        if len(self.body) > MAX_BYTES:
            raise ValueError(f"has {MAX_BYTES:,} bytes at most")
        return self

    @property
    def body(self) -> bytes:
        """The bytes; raises ValueError for what is none."""
        try:
            return b64decode(self.base64, validate=True) if self.base64 is not None else (self.text or "").encode()
        except ValueError:
            raise ValueError("base64: is none") from None


def dead_letter_id(subject: str, stage: str, body: bytes) -> UUID:
    """Name a dead letter by what died where: the same bytes at the same stage are one letter, tried again."""
    return uuid5(_NAMESPACE, f"{subject}\x1f{stage}\x1f{body.hex()}")


def sent_id(subject: str, body: bytes) -> UUID:
    """Name what is sent round again, at whichever stage it may die then."""
    return dead_letter_id(subject, "", body)
