"""Classified -> Extracted: which pieces of work, whose, how soon, by when?"""

from collections.abc import Callable
from dataclasses import replace
from datetime import tzinfo
from typing import TypeVar

from pipelines.reading.assignee import assignee
from pipelines.reading.due import due_date
from pipelines.reading.labels import labels
from pipelines.reading.links import links
from pipelines.reading.listing import items
from pipelines.reading.priority import priority
from pipelines.reading.text import mask
from pipelines.reading.title import title
from schemas.messages import Message
from schemas.tasks import Extracted, Extraction, Found
from schemas.verdicts import Category, Classified, Span, Verdict

T = TypeVar("T")


def extract(batch: list[Classified], *, time_zone: Callable[[str], tzinfo]) -> list[Extracted]:
    """Read the work out of each message; same length, same order.

    Noise has none; a message that lists work (a to-do list) has as many as it lists, at most 20; any other has one.
    ``time_zone`` gives the zone of a workspace, in which "tomorrow" is meant.
    """
    return [Extracted(item.message, item.verdict, _tasks(item.message, item.verdict, time_zone)) for item in batch]


def _tasks(message: Message, verdict: Verdict, time_zone: Callable[[str], tzinfo]) -> tuple[Extraction, ...]:
    if verdict.category is Category.NOISE:
        return ()
    zone, text = time_zone(message.raw.workspace), message.text
    listed = items(mask(text))
    if not listed:
        return (_read(message, Span(0, len(text)), verdict, zone),)
    above = _read(message, Span(0, listed[0].start), verdict, zone)
    return tuple(_under(above, _read(message, span, verdict, zone)) for span in listed)


def _read(message: Message, part: Span, verdict: Verdict, zone: tzinfo) -> Extraction:
    text = message.text[slice(*part)]
    inside = (span for span in verdict.spans if part.start <= span.start < part.end)
    decisive = next((Span(span.start - part.start, span.end - part.start) for span in inside), None)
    asked = assignee(mask(text), author=message.raw.author)
    due = due_date(text, message.sent_at, zone)
    return Extraction(
        title=_moved(title(text, decisive=decisive, fallback=_wordless(message)), part.start),
        priority=_moved(priority(text), part.start),
        assignee=_moved(asked, part.start) if asked else None,
        due=_moved(due, part.start) if due else None,
        labels=tuple(_moved(label, part.start) for label in labels(mask(text))),
        links=message.links if len(text) == len(message.text) else links(text),
    )


def _under(above: Extraction, item: Extraction) -> Extraction:
    """Let what the words above a list say count for each item that does not say it."""
    return replace(
        item,
        priority=item.priority if item.priority.span is not None else above.priority,
        assignee=item.assignee or above.assignee,
        due=item.due or above.due,
        labels=item.labels or above.labels,
    )


def _wordless(message: Message) -> str:
    if message.raw.attachments:
        return f"See {message.raw.attachments[0]}"
    return next(iter(message.links), "Untitled")


def _moved(found: Found[T], offset: int) -> Found[T]:
    """Count a span from the start of the message instead of the start of the part."""
    if found.span is None or offset == 0:
        return found
    return replace(found, span=Span(found.span.start + offset, found.span.end + offset))
