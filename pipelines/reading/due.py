"""Due: by which day the work is wanted."""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo

from pipelines.reading.dates import AHEAD, day_at, resolved
from pipelines.reading.text import fold, mask, sentences
from schemas.tasks import Found
from schemas.verdicts import Span

_SEEN = 4_000
_FURTHEST = timedelta(days=3 * 366)

_BY = re.compile(
    r"(?<![\w-])(?:(?:no|not) later than|due(?: date)?(?: is)?(?: by| on)?:?|deadline(?: is)?(?: on)?:?|eta:?"
    r"|by|until|till|before|не пізніше|не позднее|не позже|дедлайн:?|термін:?|строк:?|срок:?|крайній термін:?"
    r"|до|к|ко|на) (?:the )?"
)
# "до" and "на" also mean "to" and "on", "to"; a day behind them is a deadline only where something is asked for.
_WEAK = frozenset(("на ", "к ", "ко ", "before ", "until ", "till "))
_BARE = re.compile(
    r"(?<![\w-])(?:on |у |в |во )?(?=(?:the day after|tomorrow|tmrw|today|tonight|eod|eow|cob|next|this|наступн|следующ"
    r"|завтра|післязавтра|послезавтра|сьогодні|сегодня|цього|этой|mon|tue|wed|thu|fri|понед|вівтор|вторник|серед|сред"
    r"|четвер|п'ятниц|пятниц)|(?<=on )\d|(?<=on )[a-z]{3})"
)
_ASKED = re.compile(
    r"\b(?:please|pls|plz|can (?:you|we|someone|somebody)|could (?:you|we|someone)|would you|needs? to|must|have to|has to"
    r"|should|let's|todo|make sure|don't forget|remember to|remind|need (?:it|this|the)|want (?:it|this)|i need|we need"
    r"|будь ласка|прошу|треба|потрібно|необхідно|можеш|можете|не забу\w{2,4}|нагада\w{1,4}|давай\w{0,2}|маємо"
    r"|пожалуйста|нужно|надо|необходимо|можешь|напомн\w{1,4}|должн\w{1,2})\b"
    r"|(?:\A|\n|[.!?,:] )(?:@[\w.-]{1,40},? )?(?:[-*•] |\d{1,2}[.)] )?(?:fix|update|deploy|renew|schedule|send|review|check|remove|upgrade"
    r"|write|prepare|move|merge|create|release|publish|add|finish|ship|pay|order|book|call|test|implement)\b"
    r"|\b(?:онови|оновіть|задеплой|задеплойте|перевір|перевірте|надішли|надішліть|відправ|відправте|підготуй|підготуйте"
    r"|зроби|зробіть|додай|додайте|виправ|виправте|полагодь|полагодьте|обнови|обновите|проверь|проверьте|пришли|пришлите"
    r"|отправь|отправьте|подготовь|подготовьте|сделай|сделайте|добавь|добавьте|исправь|исправьте|почини|почините"
    r"|(?:з|с)робити|сделать|підготувати|подготовить)\b"
)
# "since it went down yesterday until today", logs and offers of a rest are no deadlines.
_TOLD = re.compile(
    r"\d\d:\d\d:\d\d|\b(?:worked|was working|last (?:year|month|week)|since|happened|yesterday|ago|i'm off|out of office|on vacation|вчора|вчера|з вчора|відпустц\w{1,2}|отпуск\w{0,2}"
    r"|працювало|работало)\b"
)
# "every Friday" comes again, "last Friday" is past, "the first Tuesday of October" is more than its Tuesday.
_MORE_BEFORE = re.compile(
    r"\b(?:first|second|third|fourth|last|previous|past|every|each|of|since|from|перш\w{1,3}|останн\w{1,3}|минул\w{1,3}|кожн\w{1,3}"
    r"|перв\w{1,3}|последн\w{1,3}|прошл\w{1,3}|кажд\w{1,3}) \Z"
)
_MORE_AFTER = re.compile(r" (?:of|after|ago|from now|після|после|тому|назад|на минул\w{1,3}|на прошл\w{1,3})\b|[ t]?\d\d:\d\d:\d\d")


def due_date(text: str, sent_at: datetime, zone: tzinfo) -> Found[date] | None:
    """Find the day by which the work is wanted, relative to when the message was sent, in the team's time zone.

    None when no day is named, when it is past, or when in doubt (05/12, a date in a log line).
    """
    try:
        today = sent_at.astimezone(zone).date()
    except OverflowError:
        return None
    folded = fold(mask(text[:_SEEN]))
    best: Found[date] | None = None
    for sentence in sentences(folded):
        for found in _read(folded[slice(*sentence)], text[slice(*sentence)], sentence.start, today):
            if best is None or found.confidence > best.confidence:
                best = found
    return best


def _read(sentence: str, offset: int, today: date) -> Iterator[Found[date]]:
    asked, told = _ASKED.search(sentence) is not None, _TOLD.search(sentence) is not None
    for match in _BY.finditer(sentence):
        if (match[0] in _WEAK or told) and not asked:
            continue
        if (named := day_at(sentence, match.end(), today)) is not None:
            day, end, confidence = named
            yield from _sound(sentence, Span(match.start(), end), offset, day, today, 0.95 * confidence)
    if not asked or told:
        return
    pattern, resolve, confidence = AHEAD
    for match in pattern.finditer(sentence):
        if (in_days := resolved(resolve, match, today)) is not None:
            yield from _sound(sentence, Span(*match.span()), offset, in_days, today, 0.85 * confidence)
    for match in _BARE.finditer(sentence):
        if (named := day_at(sentence, match.end(), today)) is not None:
            day, end, confidence = named
            yield from _sound(sentence, Span(match.start(), end), offset, day, today, 0.75 * confidence)


def _sound(sentence: str, span: Span, offset: int, day: date, today: date, confidence: float) -> Iterator[Found[date]]:
    """Let only days pass that a deadline can be: not past, not years ahead, not part of more than was understood (a log's time stamp)."""
    more = _MORE_BEFORE.search(sentence[max(0, span.start - 20) : span.start]) or _MORE_AFTER.match(sentence, span.end)
    if today <= day <= today + _FURTHEST and not more:
        words = " ".join(sentence[slice(*span)].split())
        yield Found(day, round(confidence, 3), f'says "{words}"', Span(span.start + offset, span.end + offset))
