"""Signs: what the shape of a message says, apart from its words."""

import re
from collections.abc import Iterator

from pipelines.judges.cues import Cue
from schemas.verdicts import Category, Span

_TRACE = re.compile(
    r"Traceback \(most recent call last\)|^ ?at [\w.$<>]{3,200}\(|Exception in thread|Caused by: "
    r"|\b[A-Z]\w{2,60}(?:Error|Exception)\b",
    re.MULTILINE,
)
_ASKED = re.compile(r"(?<!\?)\?+(?=[\s)]|\Z)")
_WORDS = re.compile(r"[^\W\d_]{2,}")
_ONLY_PLUS = re.compile(r"\s*(?:\+\s?1|\+\+|1)\W*\Z")

_TRACED = Cue(Category.BUG, 2.5, "shows an error's trace", "")
QUESTION_MARK = Cue(Category.QUESTION, 1.3, "ends in a question mark", "")
_TOO_SHORT = Cue(Category.NOISE, 1, "is too short to ask for work", "")
_WORDLESS = Cue(Category.NOISE, 5, "has no words", "")

SIGNS = (_TRACED, QUESTION_MARK, _TOO_SHORT, _WORDLESS)


def signs(text: str, masked: str) -> Iterator[tuple[Cue, Span | None]]:
    """Find what the shape says; ``masked`` is the text without its code, quotes and links.

    A span of None means the message as a whole.
    """
    # A few words are enough to tell a short message from a long one.
    words = len(_WORDS.findall(masked[:200]))
    if (words == 0 and not _WORDS.search(masked)) or _ONLY_PLUS.match(masked):
        yield _WORDLESS, None
    elif words < 3:
        yield _TOO_SHORT, None
    if "?" in masked and (match := _ASKED.search(masked)):
        yield QUESTION_MARK, Span(*match.span())
    if ("Error" in text or "Exception" in text or "Traceback" in text or " at " in text) and (
        match := _TRACE.search(text)
    ):
        yield _TRACED, Span(*match.span())
