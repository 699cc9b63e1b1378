"""Shapes for tests, with the fields that a test does not care about filled in."""

from datetime import UTC, date, datetime
from typing import Any

from schemas.messages import Kind, Message, RawMessage
from schemas.tasks import Extracted, Extraction, Found, Priority
from schemas.verdicts import Category, DecidedBy, Span, Verdict

NOON = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)


def raw(external_id: str = "1", text: str = "please ship", **fields: Any) -> RawMessage:
    """Make a raw message of the source ``chat`` in the channel ``telegram``."""
    given = {"channel": "telegram", "source": "chat", "author": "anna", "sent_at": NOON, "received_at": NOON}
    return RawMessage.model_validate(given | {"external_id": external_id, "text": text} | fields)


def message(external_id: str = "1", text: str = "please ship", **fields: Any) -> Message:
    """Make a message whose plain text is the text that was sent."""
    made = raw(external_id, text, **fields)
    return Message(made, "" if made.kind is Kind.DELETE else text, "en")


def verdict(category: Category = Category.CHORE, confidence: float = 0.8) -> Verdict:
    """Make a rule's verdict on the first word."""
    return Verdict(category, confidence, DecidedBy.RULE, "rules@1", "asks for something", (Span(0, 6),))


def work(title: str = "Ship it", *, due: date | None = None, assignee: str | None = None) -> Extraction:
    """Make a piece of work that stands in the first words of its message."""
    return Extraction(
        title=Found(title, 0.8, "the first sentence", Span(0, 6)),
        priority=Found(Priority.MEDIUM, 0.5, "nothing says otherwise"),
        assignee=Found(assignee, 0.8, "is asked by name") if assignee else None,
        due=Found(due, 0.9, "names a day") if due else None,
    )


def extracted(
    external_id: str = "1",
    text: str = "please ship",
    *titles: str,
    category: Category | None = None,
    tasks: tuple[Extraction, ...] | None = None,
    **fields: Any,
) -> Extracted:
    """Make a message with one piece of work a title; without titles it is noise."""
    found = tasks if tasks is not None else tuple(work(title) for title in titles)
    judged = verdict(category or (Category.CHORE if found else Category.NOISE))
    return Extracted(message(external_id, text, **fields), judged, found)
