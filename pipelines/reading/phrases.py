"""Phrases: many short phrases found in a text at once, in linear time.

A phrase is words; ``*`` ends a word anyhow ("crash*"), ``..`` stands for up to three words between, ``^`` before the
phrase asks for the start of a sentence. Phrases are separated by ``|``. Nothing else is special, so that a table of
phrases can be read, and no table can be slow: each phrase is filed under the first letters of its longest word, and
only phrases whose word is in the text are looked for.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from schemas.verdicts import Span

T = TypeVar("T")

_WORD = re.compile(r"\w+")
_LETTERS = 4
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
            key: [(order, value, _compile(phrases)) for order, value, phrases in entries]
            for key, entries in filed.items()
        }

    def find(self, folded: str) -> Iterator[tuple[T, Span]]:
        """Find each value whose phrase is in the text, once, at its first place, in the order of the table.

        ``folded`` is what ``text.fold`` gives.
        """
        keys = {word[:_LETTERS] for word in _WORD.findall(folded)}
        found: dict[int, tuple[T, Span]] = {}
        for key in self._index.keys() & keys:
            for order, value, pattern in self._index[key]:
                if match := pattern.search(folded):
                    span = Span(*match.span(1))
                    if order not in found or span < found[order][1]:
                        found[order] = (value, span)
        return (found[order] for order in sorted(found))


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


def _expression(phrase: str) -> str:
    words = re.escape(phrase).replace(r"\.\.\ ", "~").split(r"\ ")
    return r"\s".join(words).replace("~", r"\W{0,3}(?:\w{1,30}\W{1,3}){0,3}?").replace(r"\*", r"\w{0,30}")
