"""Calendar: what months, weekdays and small numbers are called in three languages, and which day they mean."""

import re
from datetime import date, timedelta

# Beginnings of words; each is followed by whatever ending the case asks for.
_MONTHS = (
    "jan(?:uary)?|січ(?:ень|ня|ні)?|янв(?:ар[ьяюе])?",
    "feb(?:ruary)?|лют(?:ий|ого|ому)?|фев(?:рал[ьяюе])?",
    "mar(?:ch)?|берез(?:ень|ня|ні)?|бер|март[ауе]?|мар",
    "apr(?:il)?|квіт(?:ень|ня|ні)?|кві|апр(?:ел[ьяюе])?",
    "may|трав(?:ень|ня|ні)?|тра|ма[йяюе]",
    "june?|черв(?:ень|ня|ні)?|чер|июн[ьяюе]?",
    "july?|лип(?:ень|ня|ні)?|июл[ьяюе]?",
    "aug(?:ust)?|серп(?:ень|ня|ні)?|сер|авг(?:уст[ауе]?)?",
    "sept?(?:ember)?|верес(?:ень|ня|ні)?|вер|сент?(?:ябр[ьяюе])?",
    "oct(?:ober)?|жовт(?:ень|ня|ні)?|жов|окт(?:ябр[ьяюе])?",
    "nov(?:ember)?|листоп(?:ад[ауі]?)?|лис|ноя(?:бр[ьяюе])?",
    "dec(?:ember)?|груд(?:ень|ня|ні)?|гру|дек(?:абр[ьяюе])?",
)
_WEEKDAYS = (
    "mon(?:day)?|понеділ(?:ок|ка|ку)|понедельник[ауе]?|пн",
    "tue(?:s|sday)?|вівтор(?:ок|ка|ку)|вторник[ауе]?|вт",
    "wed(?:s|nesday)?|серед[аиуі]|сред[аыуе]|ср",
    "thu(?:rs?|rsday)?|четвер(?:га|гу)?|четверг[ауе]?|чт",
    "fri(?:day)?|п'ятниц[яіюи]|пятниц[аыуею]|пт",
    "sat(?:urday)?|субот[аиуі]|суббот[аыуе]|сб",
    "sun(?:day)?|неділ[яіюи]|воскресень[еяю]|нд|вс",
)
_NUMBERS = (
    "an?|one|один|одного|одну|одна",
    "two|два|дві|двох|две|двух",
    "three|три|трьох|трех|трёх",
    "four|чотири|чотирьох|четыре",
    "five|п'ять|пять|п'яти|пяти",
    "six|шість|шесть",
    "seven|сім|семь",
    "eight|вісім|восемь",
    "nine|дев'ять|девять",
    "ten|десять|десяти",
)


_ORDINALS = (
    "first|перш{}|перв{}",
    "second|друг{}|втор{}",
    "third|треть{}|трет{}",
    "fourth|четв[её]рт{}",
    "fifth|п'ят{}|пят{}",
    "sixth|шост{}|шест{}",
    "seventh|сьом{}|седьм{}",
    "eighth|восьм{}",
    "ninth|дев'ят{}|девят{}",
    "tenth|десят{}",
    "eleventh|одинадцят{}|одиннадцат{}",
    "twelfth|дванадцят{}|двенадцат{}",
    "thirteenth|тринадцят{}|тринадцат{}",
    "fourteenth|чотирнадцят{}|четырнадцат{}",
    "fifteenth|п'ятнадцят{}|пятнадцат{}",
    "sixteenth|шістнадцят{}|шестнадцат{}",
    "seventeenth|сімнадцят{}|семнадцат{}",
    "eighteenth|вісімнадцят{}|восемнадцат{}",
    "nineteenth|дев'ятнадцят{}|девятнадцат{}",
    "twentieth|двадцят{}|двадцат{}",
)
_ENDING = "(?:ого|ому|ий|е|его|ему|ьего|ьему|ье|ое|ым|ой|а|я|ья|ої|у|ую)"
_TWENTY = r"(?:twenty|двадцять|двадцать)[ -]"
_THIRTIETH = f"thirtieth|тридцят{_ENDING}|тридцат{_ENDING}"
_THIRTY = r"(?:thirty|тридцять|тридцать)[ -]"


def _either(words: tuple[str, ...]) -> str:
    return "(?:" + "|".join(words) + ")"


MONTH = _either(_MONTHS)
WEEKDAY = _either(_WEEKDAYS)
NUMBER = r"(?:\d{1,3}|" + _either(_NUMBERS) + ")"

_ORDINAL_WORDS = tuple(words.replace("{}", _ENDING) for words in _ORDINALS)
ORDINAL = (
    f"(?:{_TWENTY}{_either(_ORDINAL_WORDS[:9])}|{_THIRTY}{_either(_ORDINAL_WORDS[:1])}|{_THIRTIETH}"
    f"|{_either(_ORDINAL_WORDS)})"
)

_MONTH_NAMES, _WEEKDAY_NAMES, _NUMBER_NAMES, _ORDINAL_NAMES = (
    tuple(re.compile(words) for words in table) for table in (_MONTHS, _WEEKDAYS, _NUMBERS, _ORDINAL_WORDS)
)


def month(word: str) -> int:
    """Number a month, 1 to 12."""
    return _place(word, _MONTH_NAMES) + 1


def weekday(word: str) -> int:
    """Number a day of the week, Monday being 0."""
    return _place(word, _WEEKDAY_NAMES)


def number(word: str) -> int:
    """Read a small number, in digits or in words."""
    return int(word) if word.isdecimal() else _place(word, _NUMBER_NAMES) + 1


def ordinal(words: str) -> int:
    """Read an ordinal up to 31, in words.

    >>> ordinal("twenty-first"), ordinal("двадцять четвертого"), ordinal("тридцатого")
    (21, 24, 30)
    """
    tens, _, unit = words.replace("-", " ").rpartition(" ")
    if tens:
        return (20 if tens.startswith(("twen", "двад")) else 30) + _place(unit, _ORDINAL_NAMES) + 1
    return 30 if re.fullmatch(_THIRTIETH, unit) else _place(unit, _ORDINAL_NAMES) + 1


def day_of_month(today: date, day: int) -> date:
    """Find the next such day of a month, today included, in a month that has it.

    >>> str(day_of_month(date(2024, 5, 20), 15)), str(day_of_month(date(2024, 4, 5), 31))
    ('2024-06-15', '2024-05-31')
    """
    for months in range(3):
        first = add_months(today.replace(day=1), months)
        if day <= month_end(first).day and first.replace(day=day) >= today:
            return first.replace(day=day)
    raise ValueError(f"no month has a day {day}")


def nth_weekday(year: int, in_month: int, day: int, nth: int) -> date:
    """Find the nth such day of the week in a month; 0: its last.

    >>> str(nth_weekday(2013, 10, 1, 1)), str(nth_weekday(2014, 3, 6, 0))
    ('2013-10-01', '2014-03-30')
    """
    first = date(year, in_month, 1)
    if nth == 0:
        last = month_end(first)
        return last - timedelta(days=(last.weekday() - day) % 7)
    found = first + timedelta(days=(day - first.weekday()) % 7 + 7 * (nth - 1))
    if found.month != in_month:
        raise ValueError("the month has fewer")
    return found


def on_weekday(today: date, day: int, *, next_week: bool = False) -> date:
    """Find the next such day after today; with ``next_week`` the one in the calendar week after this.

    >>> str(on_weekday(date(2024, 5, 1), 4)), str(on_weekday(date(2024, 5, 1), 4, next_week=True))
    ('2024-05-03', '2024-05-10')
    """
    if next_week:
        return today + timedelta(days=7 - today.weekday() + day)
    return today + timedelta(days=(day - today.weekday() - 1) % 7 + 1)


def month_end(today: date, months: int = 0) -> date:
    """Find the last day of this month, or of one ``months`` later."""
    return add_months(today.replace(day=1), months + 1) - timedelta(days=1)


def add_months(day: date, months: int) -> date:
    """Go some months on, to the same day or the month's last.

    >>> str(add_months(date(2024, 1, 31), 1))
    '2024-02-29'
    """
    years, index = divmod(day.month - 1 + months, 12)
    first = date(day.year + years, index + 1, 1)
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return first.replace(day=min(day.day, (following - first).days))


def _place(word: str, names: tuple[re.Pattern[str], ...]) -> int:
    for place, name in enumerate(names):
        if name.fullmatch(word):
            return place
    raise ValueError(f"{word!r} is not in this table")
