"""Text: cleaned, split into sentences, with what was only quoted put aside."""

import re
import unicodedata
from collections.abc import Iterator

from schemas.verdicts import Span

# U+200D is kept inside emoji (families, flags), where it is no blank.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u202a-\u202e"
    "\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]|(?<![\u2190-\U0010ffff])\u200d"
)
_NEWLINE = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_BLANK = re.compile(r"[^\S\n]+")
_NEWLINES = re.compile(r"\n{3,}")
_FENCE = re.compile(r"```[\s\S]*?(?:```|\Z)|\{code[^}\n]{0,60}\}[\s\S]*?(?:\{code\}|\Z)|`[^`\n]*`")
_QUOTED = re.compile(r"^>.*$", re.MULTILINE)
_URL = re.compile(r"\b(?:https?://|www\.)\S+")
# A full stop ends a sentence only before a blank, and not before a number: "3.11", "main.py", "5 Dec. 2024" go on.
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]+[\"')\]]?(?=\s(?!\d))|\n")
_APOSTROPHES = str.maketrans({"’": "'", "ʼ": "'", "‘": "'", "`": "'", "´": "'"})


def clean(text: str) -> str:
    r"""Fold blanks, keep line breaks (two in a row at most), drop what cannot be seen; NFC.

    >>> clean("\ufeffcafe\u0301\u00a0 \r\n\r\n\r\n\r\nup")
    'café\n\nup'
    """
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    text = unicodedata.normalize("NFC", text)
    text = _INVISIBLE.sub("", _NEWLINE.sub("\n", text))
    text = _BLANK.sub(" ", text).replace(" \n", "\n").replace("\n ", "\n")
    # Taking something out between a letter and its accent brings them together.
    return unicodedata.normalize("NFC", _NEWLINES.sub("\n\n", text)).strip()


def fold(text: str) -> str:
    """Lower the case and make all apostrophes alike, so that spans of the result are spans of ``text``.

    >>> fold("Don’t CRASH")
    "don't crash"
    """
    low = text.lower()
    if len(low) != len(text):
        low = "".join(small if len(small := letter.lower()) == 1 else letter for letter in text)
    return low if low.isascii() else low.translate(_APOSTROPHES)


def mask(text: str) -> str:
    r"""Blank out code, quoted lines and links; everything else keeps its place.

    >>> mask("see `x` now")
    'see     now'
    """
    if "`" in text or "{code" in text:
        text = _FENCE.sub(_blank, text)
    if text.startswith(">") or "\n>" in text:
        text = _QUOTED.sub(_blank, text)
    if "://" in text or "www." in text:
        text = _URL.sub(_blank, text)
    return text


def sentences(text: str) -> Iterator[Span]:
    """Find the sentences, without blanks around them; a line break ends one.

    >>> text = "One. Two v3.11?" + chr(10) + "Three"
    >>> [text[slice(*span)] for span in sentences(text)]
    ['One.', 'Two v3.11?', 'Three']
    """
    start = 0
    for end in [match.end() for match in _SENTENCE_END.finditer(text)] + [len(text)]:
        part = text[start:end]
        if stripped := part.strip():
            begin = start + len(part) - len(part.lstrip())
            yield Span(begin, begin + len(stripped))
        start = end


def clip(text: str, limit: int) -> str:
    """Make one line of at most ``limit`` characters, cut at a word, with an ellipsis where cut.

    >>> clip("one two three", 9)
    'one two…'
    """
    line = " ".join(text[: 2 * limit + 200].split())
    if len(line) <= limit:
        return line
    cut = line[:limit]
    at_word = cut.rfind(" ", limit // 2)
    return cut[: at_word if at_word > 0 else limit - 1].rstrip(" ,;:-–—.") + "…"


def _blank(match: re.Match[str]) -> str:
    # Line breaks stay, so that sentences still end where they ended.
    return "\n".join(" " * len(line) for line in match[0].split("\n"))
