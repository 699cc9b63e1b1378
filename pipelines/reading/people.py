"""People: who is mentioned, who is asked, who offers to do it."""

import re

from schemas.tasks import Found
from schemas.verdicts import Span

_MENTION = re.compile(r"(?<![\w@/.])@([^\W_][\w.-]{0,63})|<@([A-Z0-9]{2,24})(?:\|([^>|\n]{1,80}))?>")
_MOST = 50
_SEEN = 4_000

_ASK = (
    r"(?:(?:could|can|would|will) (?:you|u)\b|please\b|pls\b|plz\b|you (?:need|should|must)\b|need you to\b"
    r"|(?:чи )?(?:можеш|зможеш|могла? б|можете|можешь|сможешь|мог бы|могла бы)\b"
    r"|будь ласка|прошу\b|пожалуйста|зроби|додай|глянь|подивись|сделай|добавь|посмотри|перевір|проверь)"
)
_START = r"(?:^|(?<=[.!?] )|(?<=[-*•] ))(?:(?:hi|hey|hello|привіт|привет|вітаю),? )?"
_NOT_A_NAME = (
    r"(?!(?:hi|hey|hello|please|also|so|well|team|guys|all|everyone|ok|okay|yes|no|and|but|maybe|then|now|again"
    r"|thanks|sorry|otherwise|or|how|what|when|where|why|привіт|привет|вітаю|також|так|тому|але|добре|да|нет|ну|если|колеги|коллеги)\b)"
)
# A name is written with a capital; the rest of the pattern does not look at the case.
_VOCATIVE = re.compile(
    _START + _NOT_A_NAME + r"(?-i:(?P<name>[A-ZА-ЯІЇЄҐ][\w'’-]{1,30}))(?:, (?=" + _ASK + r")| (?=(?:can|could|would) you\b))",
    re.I | re.M,
)
# "Додайте, будь ласка": a word of command and no name.
_COMMAND = re.compile(r"\w+(?:те|ть|ти)\Z|(?:додай|зроби|онови|перевір|виправ|глянь|подивись|скинь|добавь|сделай|обнови|проверь|исправь|посмотри|скажи|підкажи|подскажи)\Z", re.I)
_ADDRESS = re.compile(r"(?:^|(?<=[.!?] ))(?P<name>[\w.-]{2,32}): (?=" + _ASK + ")", re.I | re.M)
_ASSIGNED = re.compile(
    r"\b(?:assign(?:ed)?(?: (?:it|this|that))? to|owner:|assignee:|призначити на|призначте|назначить на|назначьте"
    r"|виконавець:|исполнитель:) ?@?(?P<name>[\w.-]{2,40})",
    re.I,
)
_ASKED_BEFORE = re.compile(
    r"(?:^|[.!?:\n]|[-*•]) ?(?:(?:hi|hey|hello|привіт|привет),? )?\Z|" + _ASK + r"[^.!?\n]{0,40}\Z", re.I
)
_ASKED_AFTER = re.compile(r",? ?(?:" + _ASK + r"|to \w+\b)", re.I)
_SELF = re.compile(
    r"\b(?:i'?ll (?:take|do|fix|handle|look into|pick|work on|prepare|write|send|check)|i will (?:take|do|fix|handle|look|prepare|write|send|check)"
    r"|i'm on it|on it\b|i can take (?:it|this)|assign (?:it )?to me|беру на себе|беру на себя|візьму|возьму|я зроблю|я сделаю|займуся|займусь"
    r"|я виправлю|я исправлю|полагоджу)\b",
    re.I,
)


def mentions(text: str) -> tuple[str, ...]:
    """List who is mentioned, each once, in order, without the sign.

    >>> mentions("@anna and <@U042|bob>, mail c@d.org")
    ('anna', 'bob')
    """
    if "@" not in text:
        return ()
    names = (match[3] or match[2] or match[1].rstrip(".-") for match in _MENTION.finditer(text))
    return tuple(dict.fromkeys(names))[:_MOST]


def assignee(text: str, *, author: str | None) -> Found[str] | None:
    """Find who should do it: named as its owner, asked directly, or the author who offers to.

    None when nobody is; a person who is only talked about is not asked.
    """
    text = text[:_SEEN]
    for pattern, reason, confidence in (
        (_ASSIGNED, "is named as the one to do it", 0.9),
        (_VOCATIVE, "is asked by name", 0.75),
        (_ADDRESS, "is asked by name", 0.7),
    ):
        if match := pattern.search(text):
            name = match["name"].rstrip(".-")
            if name.lower() not in ("", "me", "мене", "меня") and not _COMMAND.match(name):
                return Found(name, confidence, reason, Span(match.start("name"), match.start("name") + len(name)))
    if found := _asked_mention(text):
        return found
    if author is not None and (match := _SELF.search(text)):
        return Found(author, 0.8, "offers to do it", Span(*match.span()))
    return None


def _asked_mention(text: str) -> Found[str] | None:
    for match in _MENTION.finditer(text):
        before, after = text[max(0, match.start() - 60) : match.start()], text[match.end() : match.end() + 60]
        # "@anna please ..." and "please ..., @anna" ask; "@anna said that ..." tells.
        if _ASKED_AFTER.match(after) or (_ASKED_BEFORE.search(before) and _asks(before + " " + after)):
            name = match[3] or match[2] or match[1].rstrip(".-")
            return Found(name, 0.85, "is asked by a mention", Span(*match.span()))
    return None


_ASKS = re.compile(
    _ASK + r"|\?|\b(?:fix|check|add|update|look|review|deploy|send|write|take|треба|потрібно|нужно|надо)\b", re.I
)


def _asks(text: str) -> bool:
    return _ASKS.search(text) is not None
