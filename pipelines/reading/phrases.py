"""Phrases: many short phrases found in a text at once, in linear time.

A phrase is words; ``*`` ends a word anyhow ("crash*"), ``..`` stands for up to three words between, ``^`` before the
phrase asks for the start of a sentence. Phrases are separated by ``|``. Nothing else is special, so that a table of
phrases can be read, and no table can be slow: each phrase is filed under the first letters of its longest word, and
only phrases whose word is in the text are looked for, around that word.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from schemas.verdicts import Span

T = TypeVar("T")

_WORD = re.compile(r"\w+")
_LETTERS = 4
_ANYHOW, _BETWEEN = 30, 102  # characters that * and .. may stand for
_BEFORE = 64  # characters that _START may take, and then some
# What may stand before the first word of a sentence: a bullet, a mention, or a name and a comma ("Anna, update ...").
_START = (
    r"(?:\A|\n|[.!?] )(?:[-*•] |\d{1,2}[.)] |\[[^\]\n]{0,30}\] )?(?:@[\w.-]{1,40}[,:]? |(?:hi|hey|hello|привіт"
    r"|привет|вітаю)[,!]? "
    r"|(?!(?:yes|yeah|no|ok|okay|well|so|then|also|or|and|but|hmm|ah|oh|так|ні|да|нет|ну|але|но),)\w{2,20}, )?"
)


class Phrases(Generic[T]):
    """A table of phrases, each standing for a value; built once, asked often."""

    def __init__(self, entries: Iterable[tuple[T, str]]) -> None:
        filed: dict[str, list[tuple[int, T, list[str]]]] = {}
        for order, (value, phrases) in enumerate(entries):
            keyed: dict[tuple[str, bool], list[str]] = {}
            for phrase in map(str.strip, phrases.split("|")):
                keyed.setdefault((_key(phrase), phrase.startswith("^")), []).append(phrase)
            for (key, _), alike in keyed.items():
                filed.setdefault(key, []).append((order, value, alike))
        self._index = {
            key: [(order, value, _compile(phrases), _reach(phrases)) for order, value, phrases in entries]
            for key, entries in filed.items()
        }

    def find(self, folded: str) -> Iterator[tuple[T, Span]]:
        """Find each value whose phrase is in the text, once, at its first place, in the order of the table.

        ``folded`` is what ``text.fold`` gives.
        """
        places: dict[str, list[int]] = {}
        for word in _WORD.finditer(folded):
            if (key := word[0][:_LETTERS]) in self._index:
                places.setdefault(key, []).append(word.start())
        found: dict[int, tuple[T, Span]] = {}
        for key, starts in places.items():
            for order, value, pattern, reach in self._index[key]:
                span = _first(pattern, reach, folded, starts)
                if span and (order not in found or span < found[order][1]):
                    found[order] = (value, span)
        return (found[order] for order in sorted(found))


def _first(pattern: re.Pattern[str], reach: int, folded: str, starts: list[int]) -> Span | None:
    """Find the first match that lies within ``reach`` of one of the places; a long text is not searched whole."""
    end = 0
    for start in starts:
        if start + reach <= end:
            continue
        end = folded.find(" ", start + reach)  # never within a word, which would then seem to end
        if end < 0:
            end = len(folded)
        if match := pattern.search(folded, max(0, start - reach), end):
            return Span(*match.span(1))
    return None


def _key(phrase: str) -> str:
    words = re.findall(r"\w+\*?", phrase)
    whole = [word for word in words if not word.endswith("*") or len(word) > _LETTERS]
    if not whole:
        raise ValueError(f"{phrase!r}: a word that ends anyhow needs {_LETTERS} letters")
    longest: str = max(whole, key=len)
    return longest.rstrip("*")[:_LETTERS]


def _compile(phrases: list[str]) -> re.Pattern[str]:
    before = _START if phrases[0].startswith("^") else r"(?<!\w)"
    return re.compile(f"{before}({'|'.join(_expression(phrase.lstrip('^ ')) for phrase in phrases)})(?!\\w)")


def _reach(phrases: list[str]) -> int:
    """Say how many characters a match may reach from its key, to either side."""
    return max(len(phrase) + _ANYHOW * phrase.count("*") + _BETWEEN * phrase.count("..") for phrase in phrases) + (
        _BEFORE if phrases[0].startswith("^") else 0
    )


def _expression(phrase: str) -> str:
    words = re.escape(phrase).replace(r"\.\.\ ", "~").split(r"\ ")
    return r"\s".join(words).replace("~", r"\W{0,3}(?:\w{1,30}\W{1,3}){0,3}?").replace(r"\*", r"\w{0,30}")
