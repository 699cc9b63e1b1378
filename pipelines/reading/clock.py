"""Times of the day ("by 3pm", "о 16:00", "через пів години"): on which day they come next."""

import re
from datetime import date, datetime, timedelta

_PART = (
    r"(?: (?:in the |this )(?P<part>morning|afternoon|evening)"
    r"| (?P<teil>ранку|утра|дня|вечора|вечера|ночи|ночі|пополудни|пополудні))?"
)
_HALF = r"(?: ?(?P<half>a\.?m?\.?|p\.?m?\.?)(?!\w))?"

CLOCK = (
    # 3pm, 3:15 pm, 15:30, 13h15, 3:15 in the afternoon, 16:00 CET
    r"(?P<h>\d{1,2})(?:[:h.](?P<mi>\d\d)|h)?(?!\d|[:.]\d)(?: o'? ?clock)?" + _HALF + _PART,
    # 15 годині, 3 часа дня, 17ч10
    r"(?P<h>\d{1,2})(?: (?:годин\w{0,3}|час(?:а|ов|у|ам)?)| ?ч(?:\.|(?P<mi>\d\d))?)(?!\w)" + _PART,
)
"""Bare numbers are among them: whoever looks for a time asks for a word before it, or for ``_CERTAIN``."""

_NAMED = {
    0: re.compile(r"midnight|полночь|полночи|полуночи|опівночі|півночі"),
    12: re.compile(r"noon|midday|полдень|полудню|полудня|опівдні|полудень"),
}
_WORDS = r"(?P<word>" + "|".join(pattern.pattern for pattern in _NAMED.values()) + r")(?!\w)"
_TIME = tuple(re.compile(expression) for expression in (*CLOCK, _WORDS))

_SOON = re.compile(
    r"(?<!\w)(?:in|within|через|за|протягом|в течение) (?:the next |about |another )?"
    r"(?:(?P<half>half (?:an? )?hour|пів ?години|полчаса)"
    r"|(?:(?P<n>\d{1,3}(?: more)?|an?|one(?: more)?|two|three|(?:a )?couple of|один|одну|дві|два|две|три) )?"
    r"(?P<u>min(?:ute)?s?|hours?|хвилин\w{0,2}|минут\w{0,2}|годин\w{0,2}|час(?:а|ов)?))(?!\w)"
)
_COUNT = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "один": 1, "одну": 1, "дві": 2, "два": 2, "две": 2, "три": 3}


def time_at(folded: str, start: int, now: datetime, *, bare: bool = False) -> tuple[date, int] | None:
    """Read the time of the day at ``start``; give the day on which it comes next, and where its words end.

    A bare hour ("by 5") counts only with ``bare``; a 5 that may be of the morning or the afternoon is the nearer one.
    """
    for pattern in _TIME:
        if (match := pattern.match(folded, start)) and (found := _next(match, now, bare=bare)):
            return found, match.end()
    return None


def soon(folded: str, now: datetime) -> list[tuple[date, int, int]]:
    """Find what is counted in minutes or hours from now: the day, and where its words are."""
    return [(_later(match, now).date(), match.start(), match.end()) for match in _SOON.finditer(folded)]


def _later(match: re.Match[str], now: datetime) -> datetime:
    if match["half"]:
        return now + timedelta(minutes=30)
    said = (match["n"] or "1").removesuffix(" more")
    count = int(said) if said.isdecimal() else _COUNT.get(said, 2)
    return now + (timedelta(minutes=count) if match["u"].startswith(("m", "хв", "мин")) else timedelta(hours=count))


def _next(match: re.Match[str], now: datetime, *, bare: bool) -> date | None:
    groups = match.groupdict()
    if word := groups.get("word"):
        return _day(now, 0 if _NAMED[0].fullmatch(word) else 12, 0)
    hour, minute = int(groups["h"]), int(groups["mi"] or 0)
    if hour > 24 or minute > 59:
        return None
    part = groups.get("part") or groups.get("teil") or ""
    half = groups.get("half") or ""
    if not (bare or groups["mi"] or half or part or len(match[0]) > 2):
        return None
    if half.startswith("p") or part in ("afternoon", "evening", "дня", "вечора", "вечера", "пополудни", "пополудні"):
        return _day(now, hour % 12 + 12, minute) if hour <= 12 else _day(now, hour % 24, minute)
    if half or part:
        return _day(now, hour % 12 if hour <= 12 else hour % 24, minute)
    if 0 < hour <= 12 and (hour % 24, minute) <= (now.hour, now.minute):
        hour = hour % 12 + 12
    return _day(now, hour % 24, minute)


def _day(now: datetime, hour: int, minute: int) -> date:
    return now.date() if (hour, minute) > (now.hour, now.minute) else now.date() + timedelta(days=1)
