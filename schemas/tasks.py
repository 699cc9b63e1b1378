"""A task: the work that was read out of messages, and what people made of it."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Generic, Literal, TypeVar
from uuid import UUID, uuid5

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from schemas.messages import Key, Message, storable, written_out
from schemas.verdicts import Category, DecidedBy, Span, Verdict

TASK_NAMESPACE = UUID("6f2d2c1e-8f0a-4a53-9d55-0b3f3f1c7a11")

T = TypeVar("T")


class Priority(StrEnum):
    """How soon it matters."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Status(StrEnum):
    """Where the work stands."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    BLOCKED = "blocked"
    DONE = "done"
    CANCELLED = "cancelled"


class Review(StrEnum):
    """What a person said of the reading."""

    UNREVIEWED = "unreviewed"
    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    REJECTED = "rejected"


class Relation(StrEnum):
    """How a message supports a task."""

    ORIGIN = "origin"
    REPLY = "reply"
    EDIT = "edit"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A value read out of a text: ``span`` is where (None: concluded, not read), ``reason`` why."""

    value: T
    confidence: float
    reason: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Extraction:
    """One piece of work found in a message; ``None`` means that the message does not say."""

    title: Found[str]
    priority: Found[Priority]
    assignee: Found[str] | None = None
    due: Found[date] | None = None
    labels: tuple[Found[str], ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Extracted:
    """A message with its verdict and the work found in it; noise has none."""

    message: Message
    verdict: Verdict
    tasks: tuple[Extraction, ...] = field(default=())


def task_id(key: Key, ordinal: int) -> UUID:
    """Name the task that a message gave birth to; ``ordinal`` counts the message's tasks from 0, at creation.

    >>> task_id(Key("default", "chat", "7"), 0) == task_id(Key("default", "chat", "7"), 0)
    True
    """
    return uuid5(TASK_NAMESPACE, "\x1f".join((*key, str(ordinal))))


Day = Annotated[date, BeforeValidator(written_out)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), AfterValidator(storable)]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60), AfterValidator(storable)]
Assignee = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(storable)
]
LongText = Annotated[str, Field(max_length=20_000), AfterValidator(storable)]
Said = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000), AfterValidator(storable)
]
TaskCategory = Literal[Category.BUG, Category.FEATURE, Category.IMPROVEMENT, Category.QUESTION, Category.CHORE]


class Provenance(BaseModel):
    """Who set a field, when, and why; a person's word is never overwritten by a machine."""

    model_config = ConfigDict(frozen=True)

    by: DecidedBy
    actor: str
    at: datetime
    reason: str = ""
    confidence: float | None = None
    span: Span | None = None


class Task(BaseModel):
    """A task as it is stored and shown; ``version`` rises by one with each change (see ``If-Match``)."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    workspace: str
    number: int
    title: str
    description: str
    category: Category
    priority: Priority
    status: Status
    assignee: str | None
    due: date | None
    labels: tuple[str, ...]
    review: Review
    version: int
    confidence: float
    merged_into: UUID | None
    provenance: dict[str, Provenance]
    created_at: datetime
    updated_at: datetime


class NewTask(BaseModel):
    """A task that a person writes by hand."""

    model_config = ConfigDict(extra="forbid")

    title: Title
    description: LongText = ""
    category: TaskCategory = Category.CHORE
    priority: Priority = Priority.MEDIUM
    assignee: Assignee | None = None
    due: Day | None = None
    labels: list[Label] = Field(default_factory=list, max_length=50)


class TaskChange(BaseModel):
    """The fields that a person changes; a field that is left out stays, ``null`` clears assignee or due."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    description: LongText | None = None
    category: TaskCategory | None = None
    priority: Priority | None = None
    status: Status | None = None
    assignee: Assignee | None = None
    due: Day | None = None
    labels: list[Label] | None = Field(default=None, max_length=50)


class ReviewDecision(BaseModel):
    """A person's word on a reading: accept it, correct it with ``change``, or reject it (not a task)."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal[Review.ACCEPTED, Review.CORRECTED, Review.REJECTED]
    change: TaskChange | None = None


class NewComment(BaseModel):
    """What a person says about a task."""

    model_config = ConfigDict(extra="forbid")

    text: Said


class Comment(BaseModel):
    """A comment as it is stored."""

    model_config = ConfigDict(frozen=True)

    id: int
    task: UUID
    author: str
    text: str
    at: datetime
