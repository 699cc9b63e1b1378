"""RawMessage -> Message: what does it say, in plain text?"""

from pipelines.reading.html import TooDeep, read_html
from pipelines.reading.language import language
from pipelines.reading.links import links, web_links
from pipelines.reading.people import mentions
from pipelines.reading.text import clean
from schemas.errors import Rejected
from schemas.messages import Kind, Message, RawMessage, TextFormat


def normalize(batch: list[RawMessage]) -> list[Message]:
    """Turn each message into plain text with its language, links and mentions; same length, same order.

    A deletion has no text. A message without words stays: it is a message all the same. Raises Rejected, naming the
    message, for markup that cannot be read.
    """
    return [_normalize(raw) for raw in batch]


def _normalize(raw: RawMessage) -> Message:
    if raw.kind is Kind.DELETE:
        return Message(raw, "")
    written, targets = raw.text, tuple[str, ...]()
    if raw.format is TextFormat.HTML:
        try:
            written, targets = read_html(raw.text)
        except TooDeep as error:
            raise Rejected(f"{raw.key}: HTML {error}") from error
    text = clean(written)
    named = links(text)
    return Message(
        raw=raw,
        text=text,
        language=language(text),
        links=tuple(dict.fromkeys((*named, *web_links(targets)))) if targets else named,
        mentions=mentions(text),
    )
