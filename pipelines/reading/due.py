"""Due: by which day the work is wanted."""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from operator import itemgetter

from pipelines.reading.calendar import MONTH, WEEKDAY
from pipelines.reading.clock import soon, time_at
from pipelines.reading.dates import Named, ahead, day_at
from pipelines.reading.text import fold, mask, sentences
from schemas.tasks import Found
from schemas.verdicts import Span

_Read = tuple[date, float, Span]

_SEEN = 4_000
_FURTHEST = timedelta(days=3 * 366)

# "до" and "на" also mean "to" and "on": a day behind a weak word is a deadline only where something is asked for.
_BY = re.compile(
    r"(?<![\w-])(?:(?:no|not) later than|due(?: date)?(?: is)?(?: by| on)?:?|deadline(?: is)?(?: on)?:?|eta:?|by"
    r"|не пізніше|не позднее|не позже|дедлайн:?|(?:крайній )?термін:?|строк:?|срок:?|до"
    r"|(?P<weak>until|till|before|на|к|ко)) (?:the )?"
)
_PREPOSITION = re.compile(r"(?:at|on|for|in|в|у|во|о|об|к|ко) ")
_AT = re.compile(r"(?<![\w-])(?:at|before|о|об|в|к|до) (?=\d|noon|mid|оп|пол)")
_BESIDE = re.compile(
    rf"(?:[\d/.](?:st|nd|rd|th)?|\b(?:{WEEKDAY}|{MONTH}|tomorrow|tmrw|післязавтра|послезавтра|завтра)),? "
    r"(?:at |before |о |об |в |к |до )?\Z"
)
_BARE = re.compile(
    r"(?<![\w-])(?:on |у |в |во )?(?=(?:the day after|tomorrow|tmrw|today|tonight|eod|eow|cob|next|this|наступн"
    r"|следующ"
    r"|завтра|післязавтра|послезавтра|сьогодні|сегодня|цього|этой|mon|tue|wed|thu|fri|понед|вівтор|вторник|серед|сред"
    r"|четвер|п'ятниц|пятниц"
    r"|sat(?:urday)?\b|sun(?:day)?\b|субот|суббот|неділ[юі]|воскрес)|(?<=on )\d|(?<=on )[a-z]{3})"
)
_ASKED = re.compile(
    r"\b(?:please|pls|plz|can (?:you|we|someone|somebody)|could (?:you|we|someone)|would you|needs? to|must|have to"
    r"|has to"
    r"|should|let's|todo|make sure|don't forget|remember to|remind|need (?:it|this|the)|want (?:it|this)|i need"
    r"|we need"
    r"|будь ласка|прошу|треба|потрібно|необхідно|можеш|можете|не забу\w{2,4}|нагада\w{1,4}|давай\w{0,2}|маємо"
    r"|пожалуйста|нужно|надо|необходимо|можешь|напомн\w{1,4}|должн\w{1,2})\b"
    r"|(?:\A|\n|[.!?,:] )(?:@[\w.-]{1,40},? )?(?:[-*•] |\d{1,2}[.)] )?(?:fix|update|deploy|renew|schedule|send"
    r"|review|check|remove|upgrade"
    r"|write|prepare|move|merge|create|release|publish|add|finish|ship|pay|order|book|call|test|implement)\b"
    r"|\b(?:онови|оновіть|задеплой|задеплойте|перевір|перевірте|надішли|надішліть|відправ|відправте|підготуй"
    r"|підготуйте"
    r"|зроби|зробіть|додай|додайте|виправ|виправте|полагодь|полагодьте|обнови|обновите|проверь|проверьте|пришли"
    r"|пришлите"
    r"|отправь|отправьте|подготовь|подготовьте|сделай|сделайте|добавь|добавьте|исправь|исправьте|почини|почините"
    r"|(?:з|с)робити|сделать|підготувати|подготовить)\b"
)
# "since it went down yesterday until today", logs and offers of a rest are no deadlines.
_TOLD = re.compile(
    r"\d\d:\d\d:\d\d|\b(?:worked|was working|last (?:year|month|week)|since|happened|yesterday|ago|i'm off"
    r"|out of office|on vacation|вчора|вчера|з вчора|відпустц\w{1,2}|отпуск\w{0,2}"
    r"|працювало|работало)\b"
)
# "every Friday" comes again, "last Friday" is past, "the first Tuesday of October" is more than its Tuesday.
_MORE_BEFORE = re.compile(
    r"\b(?:first|second|third|fourth|last|previous|past|every|each|of|since|from|перш\w{1,3}|останн\w{1,3}"
    r"|минул\w{1,3}|кожн\w{1,3}"
    r"|перв\w{1,3}|последн\w{1,3}|прошл\w{1,3}|кажд\w{1,3}) \Z"
)
_MORE_AFTER = re.compile(
    r" (?:of|after|ago|from now|після|после|тому|назад|на минул\w{1,3}|на прошл\w{1,3})\b|[ t]?\d\d:\d\d:\d\d"
)


def due_date(text: str, sent_at: datetime, zone: tzinfo) -> Found[date] | None:
    """Find the day by which the work is wanted, relative to when the message was sent, in the team's time zone.

    None when no day is named, when it is past, or when in doubt (05/12, a date in a log line).
    """
    try:
        now = sent_at.astimezone(zone)
    except OverflowError:
        return None
    folded = fold(mask(text[:_SEEN]))
    read = [found for part in sentences(folded) for found in _read(folded[slice(*part)], part.start, now)]
    if not read:
        return None
    day, confidence, span = max(read, key=itemgetter(1))
    words = " ".join(text[slice(*span)].split())
    return Found(day, round(confidence, 3), f'says "{words}"', span)


def _read(sentence: str, offset: int, now: datetime) -> Iterator[_Read]:
    """Read each deadline of one sentence; ``offset`` is where in the text it starts."""
    asked, told, today = _ASKED.search(sentence) is not None, _TOLD.search(sentence) is not None, now.date()
    found = [
        (match.start(), _named(sentence, match, now), 0.95)
        for match in _BY.finditer(sentence)
        if asked or not (told or match["weak"])
    ]
    if asked and not told:
        found += ((named.start, named, 0.85) for named in ahead(sentence, today))
        found += ((start, Named(day, start, end, 0.9), 0.85) for day, start, end in soon(sentence, now))
        found += ((match.start(), day_at(sentence, match.end(), today), 0.75) for match in _BARE.finditer(sentence))
        found += ((match.start(), _timed(sentence, match.end(), now), 0.7) for match in _AT.finditer(sentence))
    for start, named, sure in found:
        if named is not None and _sound(sentence, start, named, today):
            yield named.day, sure * named.confidence, Span(start + offset, named.end + offset)


def _named(sentence: str, by: re.Match[str], now: datetime) -> Named | None:
    """Read the day or the time of the day behind a word of deadline."""
    place = _PREPOSITION.match(sentence, by.end())
    start = place.end() if place else by.end()
    if place and place[0] in ("о ", "об ") and (timed := _timed(sentence, start, now)):
        return timed  # о 10.10 is a time, до 10.10 a day
    article = start - 4 if sentence.startswith("the ", start - 4) else start
    return day_at(sentence, start, now.date()) or day_at(sentence, article, now.date()) or _timed(sentence, start, now)


def _timed(sentence: str, start: int, now: datetime) -> Named | None:
    """Read a time of the day, unless a day stands beside it, which then is the day."""
    found = time_at(sentence, start, now)
    if found is None or _BESIDE.search(sentence[:start]):
        return None
    day, end = found
    place = _PREPOSITION.match(sentence, end + 1)
    if named := day_at(sentence, place.end() if place else end + 1, now.date()):
        return named
    return Named(day, start, end, 0.85)


def _sound(sentence: str, start: int, named: Named, today: date) -> bool:
    """Let only days pass that a deadline can be: not past, not years ahead, not part of what was not understood."""
    more = _MORE_BEFORE.search(sentence[max(0, start - 20) : start]) or _MORE_AFTER.match(sentence, named.end)
    return more is None and today <= named.day <= today + _FURTHEST
