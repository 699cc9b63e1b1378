"""No text, however it was made up, costs more time than its length is worth."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from functools import partial
from itertools import islice

import pytest

from connectors.mail_text import read_mail
from pipelines.judges import rules
from pipelines.stages.classify import classify
from pipelines.stages.extract import extract
from pipelines.stages.normalize import normalize
from schemas.errors import Rejected
from schemas.messages import TextFormat
from schemas.verdicts import Category, Classified
from tests.hostile.cpu import LARGE, SMALL, linear, seconds
from tests.hostile.patterns import Used, expressions, generic, modules, texts
from tests.making import raw, verdict

SEEN = {
    "pipelines.reading.title._TAIL": 240,  # quadratic by its nature; a longer line is cut, and has lost its tail
}
"""The most characters that an expression is ever shown, where its module says so just before."""

TABLES = ("pipelines.judges.rules._PHRASES", "pipelines.reading.priority._PHRASES", "pipelines.reading.calendar._")
"""Hundreds of expressions of words alone, looked for near one of these words only: texts of their own are enough."""

LOOKED_AT = 8
"""How many texts are tried at the large size: what grows too fast shows among the slowest at the small one."""

FOUND = {module.__name__: found for module in modules("connectors", "pipelines") if (found := expressions(module))}


def pairs(used: Used) -> list[tuple[str, str]]:
    large = min(LARGE, SEEN.get(used.where, LARGE))
    sizes = (large // 8, large)
    made = [texts(used, size) for size in sizes]
    if not used.where.startswith(TABLES):
        made = [more + generic(size) for more, size in zip(made, sizes, strict=True)]
    return list(zip(*made, strict=True))


def slow(work: Callable[[str], object], tried: list[tuple[str, str]]) -> list[str]:
    """List how the first texts begin that take more time than they should; those that take most are looked at."""
    timed = sorted(((seconds(partial(work, small)), small, large) for small, large in tried), reverse=True)
    found = (small[:60] for first, small, large in timed[:LOOKED_AT] if not linear(work, small, large, first=first))
    return list(islice(found, 2))


@pytest.mark.parametrize("module", FOUND)
def test_every_regular_expression_takes_linear_time(module: str) -> None:
    found = {used.where: slow(used.run, pairs(used)) for used in FOUND[module]}
    assert {where: texts for where, texts in found.items() if texts} == {}


def test_the_expressions_are_found() -> None:
    places = [used.where for found in FOUND.values() for used in found]
    assert len(places) > 1_000
    assert {"pipelines.reading.title._GREETING", "pipelines.reading.dates._PHRASES", *TABLES[:2]} <= set(places)
    assert any(place.startswith("connectors.files:") for place in places)


@pytest.mark.parametrize("expression", [r"\w+!", r"(?:a|a)*b", r"<\s*([^<>]+?)\s*>", r"(\s*\w\s*)+,"])
def test_expression_that_takes_quadratic_time_is_caught(expression: str) -> None:
    used = Used("here", re.compile(expression))
    assert slow(used.run, list(zip(texts(used, SMALL), texts(used, LARGE), strict=True))[:2])


def through(text: str, form: TextFormat = TextFormat.PLAIN) -> None:
    """Take a text through all stages; the work in it is read whether the judge sees any or not."""
    [made] = normalize([raw(text=text, format=form)])
    classify([made], judge=rules.judge)
    extract([Classified(made, verdict(Category.BUG))], time_zone=lambda _: UTC)


def whole(size: int) -> list[str]:
    """Make texts for the stages: those that are hard for somebody, and for each expression that reads texts."""
    shown = [
        used
        for name, found in FOUND.items()
        if name.startswith(("pipelines.reading.", "pipelines.judges.")) or name == "connectors.mail_text"
        for used in found
        if not used.where.startswith(TABLES)
    ]
    return [*generic(size), *(text for used in shown for text in texts(used, size))]


def test_stages_take_linear_time_for_any_text() -> None:
    tried = dict(zip(whole(SMALL), whole(LARGE), strict=True))
    assert len(tried) > 200
    assert slow(through, list(tried.items())) == []


MARKUP = (
    *(
        "<",
        ">",
        "<p>",
        "<b>",
        "</b>",
        "<br>",
        "<div><p>",
        "<li>",
        "<a href=x>",
        "<a href='http://x.org/'>a</a>",
        "<td>",
    ),
    *("<pre>\n", "<blockquote>", "&", "&amp;", "&#x", "<!--", "-->", "<![CDATA[", "<p", "<p a=", '<p a="', "<script>"),
    *("<style>", "<svg>", "<table><tr>", "<select><option>", "<textarea>", "</p>", "<font><b>", "<a><table>", "<x-y>"),
)


def test_stages_take_linear_time_for_any_markup() -> None:
    tried = [(piece * (SMALL // len(piece)), piece * (LARGE // len(piece))) for piece in MARKUP]
    assert slow(markup, tried) == []


def markup(text: str) -> None:
    """Take markup through all stages; what nests too deep is rejected."""
    with suppress(Rejected):
        through(text, TextFormat.HTML)


HEADERS = ("From", "Subject", "Date", "Message-ID", "References", "Content-Type", "Content-Disposition")


@pytest.mark.parametrize("header", HEADERS)
def test_mails_take_linear_time_for_any_header(header: str) -> None:
    tried = list(zip(generic(SMALL), generic(LARGE), strict=True))
    assert slow(partial(_read, header), tried) == []


def _read(header: str, text: str) -> None:
    value = text.replace("\n", "\n ").encode()
    try:
        read_mail(b"To: x@x\n" + header.encode() + b": <" + value + b"x\n\nhi\n")
    except (ValueError, RecursionError):
        return
