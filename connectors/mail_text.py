"""What a mail says, out of its bytes, however broken they are."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import parseaddr, parsedate_to_datetime
from hashlib import sha256
from html import escape
from typing import TypeAlias

from schemas.messages import TextFormat

MAX_ATTACHMENTS = 100
MAX_NAME = 512

# Codecs of Python that no mail means; the first two take quadratic time.
_NOT_CHARSETS = {"punycode", "idna", "unicode-escape", "raw-unicode-escape"}

_BRACKETED = re.compile(r"<([^<>]*)>")

_BETWEEN = "raw-unicode-escape"
"""How decode_header hands over what stands between encoded words."""

_Part: TypeAlias = "Message[str, str]"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in a message's terms; ``external_id`` is the Message-ID, or a digest where there is none.

    ``thread`` is the Message-ID of the mail that the discussion began with, its own where it began it. ``sent_at`` is
    None when the mail does not say, or says nonsense. ``text`` begins with the subject.
    """

    external_id: str
    reply_to: str | None
    thread: str
    author: str | None
    author_name: str | None
    sent_at: datetime | None
    text: str
    format: TextFormat
    attachments: tuple[str, ...]


def read_mail(content: bytes) -> Mail:
    """Read one mail. Raises ValueError when these bytes are no mail at all.

    The parser of the standard library may raise nearly anything else on hostile input: the caller catches Exception.
    """
    # compat32 and not policy.default, which parses headers eagerly and raises on many that are found in the wild
    mail = BytesParser(policy=compat32).parsebytes(content)
    if not any(mail.get(name) is not None for name in ("From", "Date", "Message-ID", "Subject", "To", "Received")):
        raise ValueError("no mail: it has no header that mails have")
    external_id = _id(mail, "Message-ID") or f"sha256-{sha256(content).hexdigest()[:40]}"
    reply_to = _id(mail, "In-Reply-To")
    name, address = parseaddr(_header(mail, "From"))
    text, kind = _text(mail)
    return Mail(
        external_id=external_id,
        reply_to=reply_to,
        thread=_id(mail, "References") or reply_to or external_id,
        author=_name(address.lower()) or _name(_header(mail, "From")),
        author_name=_name(name),
        sent_at=parse_date(_header(mail, "Date")),
        text=text,
        format=kind,
        attachments=tuple(_attachments(mail)),
    )


def parse_date(written: str) -> datetime | None:
    """Read a date as mails write it; without a zone it is in UTC. None when it is none.

    >>> parse_date("Fri, 8 Jul 2011 12:08:34 +0300")
    datetime.datetime(2011, 7, 8, 9, 8, 34, tzinfo=datetime.timezone.utc)
    """
    try:
        date = parsedate_to_datetime(written)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _text(mail: _Part) -> tuple[str, TextFormat]:
    subject = " ".join(_header(mail, "Subject").split())
    plain = [_content(part) for part in _leaves(mail) if _is_text(part, "text/plain")]
    html = [_content(part) for part in _leaves(mail) if _is_text(part, "text/html")]
    if html and not any(text.strip() for text in plain):
        return "\n".join([f"<p>{escape(subject)}</p>", *html]), TextFormat.HTML
    return "\n\n".join(text.strip() for text in (subject, *plain) if text.strip()), TextFormat.PLAIN


def _leaves(mail: _Part) -> Iterator[_Part]:
    """Walk the parts that hold something; a mail within a mail is an attachment, its text is somebody else's."""
    waiting = [mail]
    while waiting:
        part = waiting.pop()
        inner = part.get_payload()
        if isinstance(inner, list) and part.get_content_maintype() == "multipart":
            waiting.extend(reversed([each for each in inner if isinstance(each, Message)]))
        else:
            yield part


def _is_text(part: _Part, content_type: str) -> bool:
    # a leaf that calls itself multipart has lost its boundary: better its raw text than none
    found = "text/plain" if part.get_content_maintype() == "multipart" else part.get_content_type()
    return found == content_type and not _attached(part)


def _attached(part: _Part) -> bool:
    return part.get_content_disposition() == "attachment" or bool(_filename(part))


def _attachments(mail: _Part) -> Iterator[str]:
    parts = [
        part for part in _leaves(mail) if _attached(part) or part.get_content_maintype() not in ("text", "multipart")
    ]
    for part in parts[:MAX_ATTACHMENTS]:
        yield _name(_filename(part)) or part.get_content_type()[:MAX_NAME]


def _filename(part: _Part) -> str:
    try:
        return _words(part.get_filename() or "")
    except (LookupError, ValueError, TypeError):  # a charset or an encoding of RFC 2231 that there is not
        return "unreadable name"


def _content(part: _Part) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):  # a multipart that promised parts and has none
        return ""
    return _clean(_decode(content, part.get_content_charset("utf-8")))


def _header(mail: _Part, name: str) -> str:
    """Decode a header; '' when there is none."""
    for found, value in mail.raw_items():
        if found.lower() == name.lower():
            # raw_items and not get(), which hides bytes outside ASCII behind U+FFFD
            return _words(_decode(str(value).encode("ascii", "surrogateescape"), "utf-8"))
    return ""


def _words(written: str) -> str:
    """Decode the encoded words of RFC 2047."""
    try:
        parts = decode_header(written)
    except (HeaderParseError, ValueError):
        parts = [(written, None)]
    return _clean(
        "".join(
            part if isinstance(part, str) else _decode(part, charset) if charset else part.decode(_BETWEEN, "replace")
            for part, charset in parts
        )
    )


def _decode(content: bytes, charset: str) -> str:
    for candidate in (charset.partition("*")[0], "utf-8"):
        try:
            if codecs.lookup(candidate).name not in _NOT_CHARSETS:
                return content.decode(candidate)
        except (LookupError, ValueError):
            continue
    return content.decode("latin-1")


def _clean(text: str) -> str:
    """Drop what is no text: NUL and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode()


def _id(mail: _Part, name: str) -> str | None:
    """Take the first message id of a header, without its brackets."""
    written = _header(mail, name)
    bracketed = (found.strip() for found in _BRACKETED.findall(written))
    value = next(filter(None, bracketed), "".join(written.split()[:1]))
    if not value:
        return None
    # cutting could make two ids one
    return value if len(value) <= MAX_NAME else f"sha256-{sha256(value.encode()).hexdigest()[:40]}"


def _name(text: str) -> str | None:
    return " ".join(text.split())[:MAX_NAME].strip() or None
