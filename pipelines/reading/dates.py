"""Dates: phrases that name a day ("tomorrow", "наступної п'ятниці", "5 декабря"), and which day that is."""

import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

from pipelines.reading.calendar import (
    MONTH,
    NUMBER,
    ORDINAL,
    WEEKDAY,
    add_months,
    day_of_month,
    month,
    month_end,
    nth_weekday,
    number,
    on_weekday,
    ordinal,
    weekday,
)

_NEXT = r"next|наступн\w{1,3}|следующ\w{1,3}"
_THIS = r"this|coming|the|цього|цієї|цю|этот|этой|эту|этого"
_ON = rf"(?:(?P<on>{WEEKDAY}),? )?"
_FORGOTTEN = timedelta(days=60)
"""A day of this year that is so long past was meant for the next year; a nearer one is past."""


class Named(NamedTuple):
    """A day, where in the text it is named, and how sure that is."""

    day: date
    start: int
    end: int
    confidence: float


Resolve = Callable[[re.Match[str], date], date | None]


def _iso(match: re.Match[str], _: date) -> date:
    return date(int(match["y"]), int(match["m"]), int(match["d"]))


def _dotted(match: re.Match[str], today: date) -> date | None:
    return _in_year(int(match["d"]), int(match["m"]), match["y"], today)


def _slashed(match: re.Match[str], today: date) -> date | None:
    first, second = int(match["d"]), int(match["m"])
    # 5/12 is May in Boston and December in Kyiv; 25/12 and 12/25 are the same day everywhere.
    if first <= 12 and second <= 12 and first != second:
        return None
    return _in_year(max(first, second), min(first, second), match["y"], today)


def _named(match: re.Match[str], today: date) -> date | None:
    day = int(match["d"]) if match["d"].isdecimal() else ordinal(match["d"])
    found = _in_year(day, month(match["m"]), match["y"], today)
    on = match.groupdict().get("on")
    if on is None or match["y"] or found.weekday() == weekday(on):
        return found
    # "Fri, Jul 18" said in 2013 is that of 2014; where no near year fits, one of the two is a mistake.
    later = found.replace(year=found.year + 1)
    return later if later.weekday() == weekday(on) else None


def _of_month(match: re.Match[str], today: date) -> date:
    return day_of_month(today, int(match["d"]))


def _nth(match: re.Match[str], today: date) -> date | None:
    which = 0 if match["nth"].startswith(("last", "останн", "последн")) else ordinal(match["nth"])
    in_month, year = month(match["m"]), int(match["y"] or today.year)
    if match["w"]:
        found = nth_weekday(year, in_month, weekday(match["w"]), which)
        if found < today and not match["y"]:
            found = nth_weekday(year + 1, in_month, weekday(match["w"]), which)
        return found
    return month_end(date(year, in_month, 1)) if which == 0 else None


def _hence(match: re.Match[str], today: date) -> date:
    if match["fortnight"]:
        return today + timedelta(weeks=2)
    return _counted(match, today)


def _after_next(match: re.Match[str], today: date) -> date:
    return on_weekday(today, weekday(match["w"])) + timedelta(weeks=1)


def _this_week(match: re.Match[str], today: date) -> date:
    return today + timedelta(days=weekday(match["w"]) - today.weekday())


def _in_year(day: int, in_month: int, year: str | None, today: date) -> date:
    if year:
        return date(int(year) + (2000 if len(year) == 2 else 0), in_month, day)
    found = date(today.year, in_month, day)
    return found if found >= today - _FORGOTTEN else date(today.year + 1, in_month, day)


def _weekday(match: re.Match[str], today: date) -> date:
    later = bool(match["next"]) or bool(match["after"])
    return on_weekday(today, weekday(match["w"]), next_week=later)


def _counted(match: re.Match[str], today: date) -> date:
    count, unit = number(match["n"] or "1"), match["u"]
    if unit.startswith(("w", "т", "не")):
        return today + timedelta(weeks=count)
    if unit.startswith(("m", "м")):
        return add_months(today, count)
    return today + timedelta(days=count)


def _end(match: re.Match[str], today: date) -> date | None:
    unit, later = match["u"] or match[0], bool(match["next"])
    if unit.startswith(("m", "м", "eom")):
        return month_end(today, 1 if later else 0)
    if unit.startswith(("w", "т", "не", "eow")):
        friday = today + timedelta(days=4 - today.weekday() + (7 if later else 0))
        # Said on a weekend, the week ends on its Sunday.
        return friday if friday >= today else friday + timedelta(days=2)
    return today


def _after(days: int) -> Resolve:
    return lambda _, today: today + timedelta(days=days)


_GRAMMAR: tuple[tuple[str, Resolve, float], ...] = (
    (_ON + r"(?P<y>20\d\d)-(?P<m>\d\d)-(?P<d>\d\d)(?!t?\d|-)", _iso, 1.0),
    (_ON + r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})(?:\.(?P<y>20\d\d|\d\d)|\.?)(?![\d.]*\d)", _dotted, 0.9),
    (_ON + r"(?P<d>\d{1,2})/(?P<m>\d{1,2})(?:/(?P<y>20\d\d|\d\d))?(?![\d/])", _slashed, 0.8),
    (
        _ON + rf"(?:the )?(?P<d>\d{{1,2}})(?:st|nd|rd|th|-?(?:го|е|му|ого|те"
        rf"|ге))?(?: of)? (?P<m>{MONTH})\.?(?:,? (?P<y>20\d\d)(?!\d))?",
        _named,
        1.0,
    ),
    (
        _ON + rf"(?P<m>{MONTH})\.? (?:the )?(?P<d>\d{{1,2}})(?:st|nd|rd"
        rf"|th)?(?:,? (?P<y>20\d\d))?(?![\d:])",
        _named,
        1.0,
    ),
    (rf"(?:the )?(?P<d>{ORDINAL})(?: of)? (?P<m>{MONTH})(?:,? (?P<y>20\d\d)(?!\d))?", _named, 1.0),
    (
        rf"(?:the )?(?P<nth>first|second|third|fourth|last|перш\w{{1,3}}|друг\w{{1,3}}|трет\w{{1,3}}|перв\w{{1,3}}"
        rf"|втор\w{{1,3}}|останн\w{{1,3}}|последн\w{{1,3}}) (?:(?P<w>{WEEKDAY})|day|день|дня) "
        rf"(?:of |in |у |в )?(?P<m>{MONTH})(?: (?P<y>20\d\d))?",
        _nth,
        0.9,
    ),
    (r"the (?P<d>\d{1,2})(?! ?[:/%.-]?\w)", _of_month, 0.7),
    (
        r"(?:the )?(?P<d>\d{1,2})(?:st|nd|rd|th|-?(?:го|те|е)| числа)(?! (?:last |day\b|of\b|floor|line|time))",
        _of_month,
        0.85,
    ),
    (
        rf"(?:(?P<fortnight>a fortnight)|(?P<n>{NUMBER}) (?P<u>days?|weeks?|months?)) "
        r"(?:hence|from (?:right )?(?:now|today))",
        _hence,
        0.95,
    ),
    (rf"(?P<w>{WEEKDAY}) of this week", _this_week, 0.9),
    (rf"(?P<w>{WEEKDAY}) (?:after next|після наступн\w{{2,3}}|после следующ\w{{2,3}})", _after_next, 0.9),
    (r"(?:the )?day after tomorrow|післязавтра|послезавтра", _after(2), 1.0),
    (r"tomorrow|tmrw|tmr|завтра(?:шн\w{1,4} дня)?", _after(1), 1.0),
    (r"today|tonight|this (?:morning|afternoon|evening)|сьогодні|сегодня", _after(0), 1.0),
    (
        rf"(?:(?:the )?(?:close|end) of (?:the )?|cob|eod|eow|eom|кінц[яюі] |конц[аеу] )(?:(?P<next>{_NEXT}) "
        rf"|(?:{_THIS}) )?(?P<u>day|business|week|month|дня|тижня|місяця|недели|месяца)",
        _end,
        0.9,
    ),
    (r"(?P<u>eod|cob|eow|eom)(?P<next>(?!))?", _end, 0.9),
    (
        rf"(?:(?P<next>{_NEXT}) |(?:{_THIS}) )?(?P<w>{WEEKDAY})(?P<after> next week| of next week| наступного тижня"
        rf"| следующей недели)?",
        _weekday,
        0.9,
    ),
    (rf"(?P<next>{_NEXT}) (?P<u>week|month|тиждень|тижня|тижні|неделю|неделе|недели|місяця|месяца)", _end, 0.6),
    (r"(?P<next>(?!))?(?:this|цього|на этой|этой) (?P<u>week|month|тижня|недели|неделе)", _end, 0.7),
)
_AHEAD = (
    rf"(?:in|within|через|протягом|в течение|за) (?:the next |about )?(?:(?P<n>{NUMBER}) )?"
    r"(?P<u>days?|weeks?|months?|дн[іяі]\w{0,2}|день|дней|дня|тиж\w{2,4}|тижд\w{1,4}"
    r"|недел\w{1,3}|місяц\w{0,3}|месяц\w{0,3})"
)

_PHRASES: tuple[tuple[re.Pattern[str], Resolve, float], ...] = tuple(
    (re.compile(rf"(?:{expression})(?!\w)"), resolve, confidence) for expression, resolve, confidence in _GRAMMAR
)
# Stands without a word of deadline before it: its preposition is part of the phrase.
_AHEAD_PHRASE = re.compile(rf"(?<!\w)(?:{_AHEAD})(?!\w)")


def day_at(folded: str, start: int, today: date) -> Named | None:
    """Read the day that is named at ``start``; None when none is, when there is no such day, or it is in doubt."""
    for pattern, resolve, confidence in _PHRASES:
        if match := pattern.match(folded, start):
            return _named_by(match, resolve, confidence, today)
    return None


def ahead(folded: str, today: date) -> Iterator[Named]:
    """Find the days that are counted from today: "in 3 days", "через тиждень"."""
    for match in _AHEAD_PHRASE.finditer(folded):
        if named := _named_by(match, _counted, 0.9, today):
            yield named


def _named_by(match: re.Match[str], resolve: Resolve, confidence: float, today: date) -> Named | None:
    try:
        day = resolve(match, today)
    except (ValueError, OverflowError):
        return None
    return None if day is None else Named(day, match.start(), match.end(), confidence)
