"""Language: English, Ukrainian or Russian, told by script and by telling letters and words."""

import re

_SEEN = 1_000
_CYRILLIC = re.compile(r"[\u0400-\u04ff]")
_LATIN = re.compile(r"[a-zA-Z]")
_WORD = re.compile(r"[^\W\d_]+")
_UKRAINIAN_LETTERS = re.compile(r"[іїєґ]|(?<=[бпвмфр])['’ʼ](?=[яюєї])")
_RUSSIAN_LETTERS = re.compile(r"[ыэъё]")
_OTHER_LETTERS = re.compile(r"[ўђјљњћџѓќѕ]")


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text))


_ENGLISH = _words(
    "the and is are to of for with this that it you we i have has not can please but from when what how do "
    "does my your be in on at should could would there if or just thanks hello hi yes"
)
_NOT_ENGLISH = _words(
    "der und ist nicht das ein eine ich wir auf für le les et est pas une vous nous el los las que para por "
    "una con nie jest się czy dla il che di per non och att det inte är het een niet van de"
)
_UKRAINIAN = _words(
    "що це як та але будь ласка треба вже чи коли якщо після дякую потрібно ще або буде є дуже можна зараз "
    "сьогодні наш нам мене тебе додайте зробити"
)
_RUSSIAN = _words(
    "что это как но надо нужно уже пожалуйста нет если или когда спасибо еще привет после будет очень можно "
    "сейчас сегодня наш нам меня тебя добавьте сделать и падает не"
)


def language(text: str) -> str:
    """Name the language: ``en``, ``uk``, ``ru``, or ``und`` when nothing tells.

    >>> [language(text) for text in ("Please fix it", "Додайте це", "Почему это так?", "ok", "Bitte nicht")]
    ['en', 'uk', 'ru', 'und', 'und']
    """
    text = text[:_SEEN].lower()
    if text.isascii():
        return _latin(text)
    cyrillic, latin = len(_CYRILLIC.findall(text)), len(_LATIN.findall(text))
    # Engineers mix: a third of Cyrillic letters makes a Cyrillic sentence about English terms.
    if cyrillic * 3 >= latin and cyrillic:
        return _cyrillic(text)
    return _latin(text)


def _latin(text: str) -> str:
    words = set(_WORD.findall(text))
    english, other = len(words & _ENGLISH), len(words & _NOT_ENGLISH)
    return "en" if english > other else "und"


def _cyrillic(text: str) -> str:
    if _OTHER_LETTERS.search(text):
        return "und"
    words = set(_WORD.findall(text))
    ukrainian = 2 * len(_UKRAINIAN_LETTERS.findall(text)) + len(words & _UKRAINIAN)
    russian = 2 * len(_RUSSIAN_LETTERS.findall(text)) + len(words & _RUSSIAN)
    if ukrainian == russian:
        return "und"
    return "uk" if ukrainian > russian else "ru"
