"""Title: the sentence that says the work, without greeting, politeness and decoration."""

import re

from pipelines.reading.text import clip, mask, sentences
from schemas.tasks import Found
from schemas.verdicts import Span

MAX_TITLE = 120

_SEEN = 4_000

_HEADLINE = re.compile(r"(?P<line>[^\n]{4,200})(?:\n\n|\Z)")
_PREFIX = re.compile(r"(?:(?:re|fwd?|aw|відп|пересл|на)\s?: |\[[^\]\n]{1,40}\] ?|\([^)\n]{1,20}\): )", re.I)
_BULLET = re.compile(r"(?:[-*•–—>#]{1,4}|\d{1,2}[.)]|\[[ x]?\]) ?")
_TAG = re.compile(
    r"(?:to-?do|task|action item|bug|feature|feature request|question|chore|issue|задача|завдання|баг|питання"
    r"|вопрос): ?",
    re.I,
)
_MENTION = re.compile(r"(?:<?@[\w.|-]{1,80}>?(?: and| &| та| и| і)? ?[,:]? ?)")
_GREETING = re.compile(
    r"(?:hi|hey|hello|dear|good (?:morning|afternoon|evening|day)|morning|привіт|вітаю|доброго (?:дня|ранку|вечора)"
    r"|добрий (?:день|ранок|вечір)"
    r"|привет|здравствуйте|добрый день|доброе утро|добрый вечер)\b"
    r"(?: (?:all|team|everyone|everybody|folks|guys|there|again|всім|усім|команда|колеги|друзі|всем|коллеги"
    r"|ребята))?[,!.:]* ?",
    re.I,
)
_POLITE = re.compile(
    r"(?:(?:also|and|so|ok|okay|oh|well|btw|guys|також|ще|також ще|тоже|еще|ещё|а),? "
    r"|(?:can|could|would|will) (?:you|someone|somebody|anyone|we)(?: please| pls| kindly)?(?: mind)? |please,? "
    r"|pls,? |plz,? |kindly "
    r"|(?:can|could|would) <?@[\w.|-]{1,80}>? (?:please |pls )?"
    r"|(?:чи )?(?:можеш|можете|зможеш|зможете|міг би ти|не могли б ви|можешь|сможешь|можете ли вы"
    r"|не мог бы ты)(?:,? будь ласка,?|,? пожалуйста,?)? "
    r"|будь ласка,? |прошу,? |пожалуйста,? |i think (?:that )?|we (?:need|have) to |i need you to |you need to "
    r"|don't forget to |remember to |let's "
    r"|треба |потрібно |нам треба |нам потрібно |надо |нужно |нам надо |нам нужно |не забудь(?:те)? |давай(?:те)? )",
    re.I,
)
_REQUEST = re.compile(r"[^?]{0,60}\b(?:can|could|would|will) (?:you|someone|somebody|anyone|we|<?@)", re.I)
# "Anna, " is a name; "Додайте, " and "Додай, " are the work itself.
_NAME = re.compile(r"[A-ZА-ЯІЇЄҐ][\w'’-]{1,20}(?<!те)(?<!ть)(?<!ай)(?<!би)(?<!ви), (?=\w)")
_AMID = re.compile(r"(?<=\w)(?: (?:please|pls)|,? (?:будь ласка|пожалуйста),?) (?=\w)", re.I)
_TAIL = re.compile(
    r"(?:(?:,? (?:please|pls|plz|thanks|thank you|будь ласка|дякую|пожалуйста|спасибо))[.!?]*| #[\w-]{1,40})+\Z", re.I
)
_STRIPS = (_BULLET, _PREFIX, _TAG, _GREETING, _MENTION, _POLITE)
_ROUNDS = 8
# Lines that only frame what is said, as forms and traces have them.
_FRAME = re.compile(
    r"(?:steps to reproduce|repro steps|how to reproduce|expected|actual|current behavio|describe the|what is the"
    r"|environment|version|summary"
    r"|description|traceback \(|file \"|at [\w.$]+\(|no response|_no response_|yes\W*\Z|no\W*\Z|n/a)",
    re.I,
)
_LETTER = re.compile(r"[^\W\d_]{2}")


def title(text: str, *, decisive: Span | None, fallback: str) -> Found[str]:
    """Say the work in one line of at most 120 characters.

    ``decisive`` is the first word that decided that there is work; the title is the headline of the text where it has
    one, else the sentence with that word. ``fallback`` stands in where a text has no sentence (a link, a picture).
    """
    masked = mask(text[:_SEEN])
    told = _headline(masked) or _deciding(masked, decisive) or _first(masked)
    if told is not None:
        span, reason, confidence = told
        if line := _bare(text[slice(*span)]):
            return Found(line, confidence, reason, span)
    if line := clip(text, MAX_TITLE):
        return Found(line, 0.3, "the text as it is", Span(0, len(text)))
    return Found(clip(fallback, MAX_TITLE) or "Untitled", 0.1, "the message has no words")


def _headline(text: str) -> tuple[Span, str, float] | None:
    """Take a first line that stands alone above the rest, as a mail's subject or an issue's title does."""
    match = _HEADLINE.match(text)
    if match is None or match.end() == len(text) or not _says_something(match["line"]) or match["line"].endswith(","):
        return None
    return Span(*match.span("line")), "the headline of the message", 0.9


def _deciding(text: str, decisive: Span | None) -> tuple[Span, str, float] | None:
    if decisive is None:
        return None
    for span in sentences(text):
        if span.start <= decisive.start < span.end and _says_something(text[slice(*span)]):
            return span, "the sentence that decided", 0.8
    return None


def _first(text: str) -> tuple[Span, str, float] | None:
    for span in sentences(text):
        if _says_something(text[slice(*span)]):
            return span, "the first sentence", 0.5
    return None


def _says_something(sentence: str) -> bool:
    line = _bare(sentence)
    return len(_LETTER.findall(line)) >= 2 and not _FRAME.match(line)


def _bare(sentence: str) -> str:
    """Strip what is not the work from both ends; the first letter becomes a capital."""
    line = sentence.strip()
    for _ in range(_ROUNDS):
        before = line
        for pattern in _STRIPS:
            if match := pattern.match(line):
                line = line[match.end() :].lstrip(" ,:;-–—!")
        if (match := _NAME.match(line)) and _POLITE.match(line, match.end()):
            line = line[match.end() :]
        if line == before:
            break
    line = _AMID.sub(" ", line)
    if _REQUEST.match(sentence) and line.endswith("?"):
        line = line[:-1]
    # A sentence that is cut anyway has lost its tail.
    line = clip(_TAIL.sub("", line) if len(line) <= 2 * MAX_TITLE else line, MAX_TITLE).rstrip(" .,;:!")
    capital = line[:1].upper()
    # "iOS" stays as it is, and so does a letter that would grow.
    return capital + line[1:] if line.split(" ", 1)[0].islower() and len(capital) == 1 else line
