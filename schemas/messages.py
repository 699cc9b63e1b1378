"""A message: as the network sent it, and in our own terms."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from schemas.subjects import Slug

MAX_TEXT = 200_000
"""Characters of a message's text; longer ones are refused at the door."""

MAX_REVISION = 2**62


def storable(value: str) -> str:
    if "\x00" in value:
        raise ValueError("holds a NUL character, which PostgreSQL cannot keep")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError("holds half of a surrogate pair, which is no text") from error
    return value


_YEAR = re.compile(r"\d{4}-")


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies outside of the years 1 to 9999 in UTC") from error


def written_out(value: object) -> object:
    """Refuse numbers, in digits too, where a day or a time is meant: 0 would be taken for a day in 1970."""
    if isinstance(value, int | float) or (isinstance(value, str) and not _YEAR.match(value)):
        raise ValueError("is not written out, as 2026-11-30 is, or 2026-11-30T15:00:00Z")
    return value


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc), BeforeValidator(written_out)]
"""A time with its offset, kept in UTC."""

Revision = Annotated[int, Field(ge=0, le=MAX_REVISION, strict=True)]
Text = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(storable)]
Name = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(storable)]


class Kind(StrEnum):
    """What happened to the message at its origin."""

    NEW = "new"
    EDIT = "edit"
    DELETE = "delete"


class Origin(StrEnum):
    """How the message reached us; only live ones are answered."""

    LIVE = "live"
    IMPORT = "import"
    REPLAY = "replay"


class TextFormat(StrEnum):
    """How the text of a raw message is written."""

    PLAIN = "plain"
    HTML = "html"


class Key(NamedTuple):
    """What makes a message this message: one row each."""

    workspace: str
    source: str
    external_id: str

    def __str__(self) -> str:
        return "/".join(self)


class RawMessage(BaseModel):
    """What the network sent; the payload of subjects ``raw.>`` and ``bulk.>``.

    ``revision`` is the platform's stamp (an edit time, a counter), 0 where it has none; with the digest of the text
    it orders the versions of one message. ``payload`` keeps what the platform said beyond these fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: Literal[1] = 1
    workspace: Slug = "default"
    channel: Slug
    source: Slug
    external_id: Name
    kind: Kind = Kind.NEW
    revision: Revision = 0
    origin: Origin = Origin.LIVE
    conversation: Name | None = None
    thread: Name | None = None
    reply_to: Name | None = None
    author: Name | None = None
    author_name: Name | None = None
    sent_at: Moment
    received_at: Moment
    text: Text = ""
    format: TextFormat = TextFormat.PLAIN
    attachments: tuple[Name, ...] = ()
    payload: dict[str, Any] = Field(default_factory=dict)

    @property
    def key(self) -> Key:
        """The message's identity, without its revision."""
        return Key(self.workspace, self.source, self.external_id)

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that stand for the content of this revision."""
        return sha256(f"{self.kind is Kind.DELETE}\n{self.text}".encode()).hexdigest()[:16]

    @property
    def message_id(self) -> str:
        """The ``Nats-Msg-Id``: the same revision sent twice inside the duplicate window is stored once."""
        return sha256("\x1f".join((*self.key, str(self.revision), self.digest)).encode()).hexdigest()[:32]


class MessageLine(BaseModel):
    """One message in the import format: a line of JSON Lines, or the body of ``POST /api/messages``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Slug
    external_id: Name
    conversation: Name | None = None
    author: Name | None = None
    sent_at: Moment | None = None
    text: Text
    reply_to: Name | None = None
    revision: Revision | None = None
    kind: Kind = Kind.NEW

    @model_validator(mode="after")
    def _edit_needs_revision(self) -> Self:
        if self.kind is Kind.EDIT and self.revision is None:
            raise ValueError("an edit needs a revision: which of two edits is newer cannot be told without")
        return self

    def to_raw(self, *, workspace: str, channel: str, origin: Origin, received_at: datetime) -> RawMessage:
        """Address the line; ``received_at`` stands in for a missing ``sent_at``."""
        return RawMessage(
            workspace=workspace,
            channel=channel,
            source=self.source,
            external_id=self.external_id,
            kind=self.kind,
            revision=self.revision or 0,
            origin=origin,
            conversation=self.conversation,
            reply_to=self.reply_to,
            author=self.author,
            sent_at=self.sent_at or received_at,
            received_at=received_at,
            text=self.text,
        )


@dataclass(frozen=True, slots=True)
class Message:
    """The same message in our terms: plain text, and what it names.

    ``language`` is an ISO 639-1 code (en, uk, ru) or ``und``. Spans elsewhere count characters of ``text``.
    """

    raw: RawMessage
    text: str
    language: str = "und"
    links: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """The message's identity, without its revision."""
        return self.raw.key

    @property
    def sent_at(self) -> datetime:
        """When its author sent it, in UTC."""
        return self.raw.sent_at
