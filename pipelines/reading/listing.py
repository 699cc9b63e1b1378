"""Listing: the pieces of work that one message lists."""

import re

from schemas.verdicts import Span

MAX_ITEMS = 20

_ITEM = re.compile(
    r"^ ?(?:[-*•–]|\d{1,2}[.)]) ?(?:\[(?P<box>[ xX✓]?)\] ?)?(?P<work>\S[^\n]{2,})$"
    r"|^ ?\[(?P<box2>[ xX✓]?)\] ?(?P<work2>\S[^\n]{2,})$",
    re.M,
)
_INLINE = re.compile(
    r"(?:^|(?<=[\s:;,.]))(?P<number>[1-9]\d?)\) ?(?P<work>[^\n]+?)"
    r"(?=(?<![\s;,.])[\s;,.]++[1-9]\d?\) ?|$)",  # tried once a run of separators, else a long one takes quadratic time
    re.M,
)
_HEAD = re.compile(
    r"\b(?:to-?do|to do|tasks?|action items?|plan|please|need(?:s|ed)? to|we need|must|next steps|for today"
    r"|for tomorrow|this week|checklist"
    r"|план|задач[іи]|завдання|треба|потрібно|зробити|наступні кроки|на сьогодні|на завтра|нужно|надо|сделать"
    r"|следующие шаги|на сегодня|список)\b",
    re.I,
)
_STEPS = re.compile(r"\b(?:steps to|repro\w{0,9}|reproduce|how to|кроки відтворення|шаги|expected|actual)\b", re.I)


def items(text: str) -> tuple[Span, ...]:
    """Find the items of a list of work: two or more lines or numbers under a head that calls for work.

    Empty when the message lists nothing, or lists something else (steps to reproduce). Ticked items are done.
    """
    for pattern in (_ITEM, _INLINE):
        found = list(pattern.finditer(text))
        if len(found) < 2 or (pattern is _INLINE and [match["number"] for match in found[:2]] != ["1", "2"]):
            continue
        head = text[: found[0].start()][-200:]
        if not _HEAD.search(head) or _STEPS.search(head):
            continue
        return tuple(_work(match) for match in found if not _ticked(match))[:MAX_ITEMS]
    return ()


def _work(match: re.Match[str]) -> Span:
    named = match.groupdict()
    name = "work" if named["work"] is not None else "work2"
    return Span(match.start(name), match.start(name) + len(match[name].rstrip(" ;,")))


def _ticked(match: re.Match[str]) -> bool:
    named = match.groupdict()
    return (named.get("box") or named.get("box2") or "").strip() != ""
