"""Labels: the #hashtags of a text."""

import re

from schemas.tasks import Found
from schemas.verdicts import Span

_LABEL = re.compile(r"(?<![\w#/&])#([^\W\d_][\w-]{1,39})")
_MOST = 20


def labels(text: str) -> tuple[Found[str], ...]:
    """List the hashtags in small letters, each once; "#42" is an issue's number and no label.

    >>> [label.value for label in labels("#Backend and #release-2, see #42")]
    ['backend', 'release-2']
    """
    if "#" not in text:
        return ()
    first: dict[str, Found[str]] = {}
    for match in _LABEL.finditer(text):
        name = match[1].lower().rstrip("-_")
        first.setdefault(name, Found(name, 1.0, "is written as a hashtag", Span(*match.span())))
    return tuple(first.values())[:_MOST]
