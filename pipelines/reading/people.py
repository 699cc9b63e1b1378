"""People: who is mentioned in a text."""

import re
from collections.abc import Iterator

from schemas.verdicts import Span

# "@anna" but no mail address; Slack writes "<@U042|anna>".
_MENTION = re.compile(r"(?<![\w@/.])@([^\W_][\w.-]{0,63})|<@([A-Z0-9]{2,24})(?:\|([^>|\n]{1,80}))?>")
_MOST = 50


def mentions(text: str) -> tuple[str, ...]:
    """List who is mentioned, each once, in order, without the sign; at most 50.

    >>> mentions("@anna and <@U042|bob>, mail c@d.org")
    ('anna', 'bob')
    """
    if "@" not in text:
        return ()
    return tuple(dict.fromkeys(name for name, _ in each_mention(text)))[:_MOST]


def each_mention(text: str) -> Iterator[tuple[str, Span]]:
    """Find each mention: the name, and where it stands with its sign."""
    for match in _MENTION.finditer(text):
        yield match[3] or match[2] or match[1].rstrip(".-"), Span(*match.span())
