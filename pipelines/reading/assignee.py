"""Assignee: who is asked to do it, or offers to."""

import re

from pipelines.reading.people import each_mention
from schemas.tasks import Found
from schemas.verdicts import Span

_SEEN = 4_000

_ASK = (
    r"(?:(?:could|can|would|will) (?:you|u)\b|please\b|pls\b|plz\b|you (?:need|should|must)\b|need you to\b"
    r"|(?:чи )?(?:можеш|зможеш|могла? б|можете|можешь|сможешь|мог бы|могла бы)\b"
    r"|будь ласка|прошу\b|пожалуйста|\w{3,20}, (?:будь ласка|пожалуйста)|зроби|додай|глянь|подивись|сделай|добавь"
    r"|посмотри|перевір|проверь)"
)
_START = r"(?:^|(?<=[.!?:] )|(?<=[-*•] ))(?:(?:hi|hey|hello|привіт|привет|вітаю),? )?"
_NOT_A_NAME = (
    r"(?!(?:hi|hey|hello|please|also|so|well|team|guys|all|everyone|ok|okay|yes|no|and|but|maybe|then|now|again"
    r"|thanks|sorry|otherwise|or|how|what|when|where|why|привіт|привет|вітаю|також|так|тому|але|добре|да|нет|ну"
    r"|если|колеги|коллеги)\b)"
)
# A name is written with a capital; the rest of the pattern does not look at the case.
_VOCATIVE = re.compile(
    _START
    + _NOT_A_NAME
    + r"(?-i:(?P<name>[A-ZА-ЯІЇЄҐ][\w'’-]{1,30}))(?:, (?="
    + _ASK
    + r")| (?=(?:can|could|would) you\b))",
    re.I | re.M,
)
# "Додайте, будь ласка": a word of command and no name.
_COMMAND = re.compile(
    r"\w+(?:те|ть|ти)\Z|(?:додай|зроби|онови|перевір|виправ|глянь|подивись|скинь|добавь|сделай|обнови|проверь"
    r"|исправь|посмотри|скажи|підкажи|подскажи)\Z",
    re.I,
)
_ADDRESS = re.compile(r"(?:^|(?<=[.!?] ))(?P<name>[\w.-]{2,32}): (?=" + _ASK + ")", re.I | re.M)
_ASSIGNED = re.compile(
    r"\b(?:assign(?:ed)?(?: (?:it|this|that))? to|owner:|assignee:|призначити на|призначте|назначить на|назначьте"
    r"|виконавець:|исполнитель:) ?@?(?P<name>[\w.-]{2,40})",
    re.I,
)
_ASKED_BEFORE = re.compile(
    r"(?:^|[.!?:\n]|[-*•]) ?(?:(?:hi|hey|hello|привіт|привет),? )?\Z"
    r"|\b(?:can|could|would|let|ask|хай|нехай|пусть) \Z|" + _ASK + r"[^.!?\n]{0,40}\Z",
    re.I,
)
_ASKS = re.compile(
    _ASK + r"|\?|\b(?:fix|check|add|update|look|review|deploy|send|write|take|треба|потрібно|нужно|надо"
    r"|онови|обнови|задеплой|виправ|исправь|полагодь|почини|надішли|пришли|підготуй|подготовь|налаштуй|настрой)\b",
    re.I,
)
_ASKED_AFTER = re.compile(r",? ?(?:" + _ASK + r"|to \w+\b)", re.I)
_SELF = re.compile(
    r"\b(?<!or )(?:i'?ll (?:take|do|fix|handle|look into|pick|work on|prepare|write|send|check)|i will (?:take|do|fix"
    r"|handle|look|prepare|write|send|check)"
    r"|i'm on it|on it\b|i can take (?:it|this)|assign (?:it )?to me|беру на себе|беру на себя|візьму|возьму"
    r"|я зроблю|я сделаю|займуся|займусь"
    r"|я виправлю|я исправлю|полагоджу)\b",
    re.I,
)


def assignee(text: str, *, author: str | None) -> Found[str] | None:
    """Find who should do it: named as its owner, asked directly, or the author who offers to.

    None when nobody is; a person who is only talked about is not asked.
    """
    text = text[:_SEEN]
    return _named(text) or _mentioned(text, _ASKED_AFTER) or _offering(text, author) or _mentioned(text, None)


def _named(text: str) -> Found[str] | None:
    for pattern, reason, confidence in (
        (_ASSIGNED, "is named as the one to do it", 0.9),
        (_VOCATIVE, "is asked by name", 0.75),
        (_ADDRESS, "is asked by name", 0.7),
    ):
        if match := pattern.search(text):
            name = match["name"].rstrip(".-")
            if name.lower() not in ("", "me", "мене", "меня") and not _COMMAND.match(name):
                return Found(name, confidence, reason, Span(match.start("name"), match.start("name") + len(name)))
    return None


def _offering(text: str, author: str | None) -> Found[str] | None:
    if author is not None and (match := _SELF.search(text)):
        return Found(author, 0.8, "offers to do it", Span(*match.span()))
    return None


def _mentioned(text: str, asked_after: re.Pattern[str] | None) -> Found[str] | None:
    """Find a mention that is asked by what follows it, or (``asked_after`` is None) by the words around it."""
    for name, span in each_mention(text):
        # "@anna please ..." and "please ..., @anna" ask; "@anna said that ..." tells.
        before, after = text[max(0, span.start - 60) : span.start], text[span.end : span.end + 60]
        if asked_after is not None and asked_after.match(after):
            return Found(name, 0.85, "is asked by a mention", span)
        if asked_after is None and _ASKED_BEFORE.search(before) and _ASKS.search(before + " " + after):
            return Found(name, 0.75, "is asked by a mention", span)
    return None
