"""A verdict: is there work in a message, of which kind, and why do we think so."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from schemas.messages import Message


class Category(StrEnum):
    """What a message asks of the team; noise asks nothing."""

    BUG = "bug"
    FEATURE = "feature"
    IMPROVEMENT = "improvement"
    QUESTION = "question"
    CHORE = "chore"
    NOISE = "noise"


class DecidedBy(StrEnum):
    """What kind of judge spoke."""

    RULE = "rule"
    MODEL = "model"
    LLM = "llm"
    PERSON = "person"


class Span(NamedTuple):
    """Characters ``start`` to ``end`` (exclusive) of the message's plain text."""

    start: int
    end: int


class Alternative(NamedTuple):
    """A category that was thought of, too."""

    category: Category
    confidence: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judge's opinion of one message.

    ``judge`` is ``name@version``; ``confidence`` is in 0..1; ``spans`` are the words that decided; ``reason`` is a
    sentence for people; ``doubtful`` asks the slower lanes, or a person, to look again.
    """

    category: Category
    confidence: float
    decided_by: DecidedBy
    judge: str
    reason: str
    spans: tuple[Span, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Classified:
    """A message with its verdict."""

    message: Message
    verdict: Verdict


Judge: TypeAlias = Callable[[list[Message]], list[Verdict]]
"""Judges messages: same length, same order, no I/O."""
