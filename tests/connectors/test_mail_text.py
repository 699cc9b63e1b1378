from datetime import UTC, datetime

import pytest

from connectors.mail_text import read_mail
from schemas.messages import TextFormat


def mail(*headers: str, body: bytes = b"text") -> bytes:
    return "\r\n".join(("From: Ann <Ann@Example.org>", *headers, "", "")).encode() + body


def test_plain_mail_is_read() -> None:
    read = read_mail(
        mail(
            "Message-ID: <3@x>", "In-Reply-To: <2@x>", "References: <1@x>\r\n <2@x>",
            "Date: Fri, 8 Jul 2011 12:08:34 +0300", "Subject: Crash\r\n on login", body=b"It crashes.\r\n",
        )
    )  # fmt: skip
    assert (read.external_id, read.reply_to, read.thread) == ("3@x", "2@x", "1@x")
    assert (read.author, read.author_name) == ("ann@example.org", "Ann")
    assert read.sent_at == datetime(2011, 7, 8, 9, 8, 34, tzinfo=UTC)
    assert (read.text, read.format) == ("Crash on login\n\nIt crashes.", TextFormat.PLAIN)


def test_mail_that_begins_a_thread_is_in_it() -> None:
    assert read_mail(mail("Message-ID: <1@x>")).thread == "1@x"


def test_mail_without_a_message_id_is_named_by_its_bytes() -> None:
    one, same, other = read_mail(mail()), read_mail(mail()), read_mail(mail(body=b"other"))
    assert one.external_id == same.external_id != other.external_id


def test_ids_too_long_for_a_name_stay_different() -> None:
    one, other = (read_mail(mail(f"Message-ID: <{'x' * 600}{end}>")) for end in "ab")
    assert one.external_id != other.external_id


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 31 Feb 2020 10:00:00 +0000", "Mon, 1 Jan 99999 10:00:00", "1"])
def test_date_that_is_none_is_not_invented(date: str) -> None:
    assert read_mail(mail(f"Date: {date}")).sent_at is None


def test_plain_text_goes_before_html() -> None:
    parts = b"--b\nContent-Type: text/html\n\n<b>rich</b>\n--b\nContent-Type: text/plain\n\nplain\n--b--\n"
    read = read_mail(mail("Content-Type: multipart/alternative; boundary=b", body=parts))
    assert (read.text, read.format, read.attachments) == ("plain", TextFormat.PLAIN, ())


def test_html_alone_stays_html_and_its_subject_is_escaped() -> None:
    read = read_mail(mail("Subject: <script>", "Content-Type: text/html", body=b"<b>rich</b>"))
    assert (read.text, read.format) == ("<p>&lt;script&gt;</p>\n<b>rich</b>", TextFormat.HTML)


def test_attachments_are_named_and_not_read() -> None:
    parts = (
        b"--b\n\nsee the log\n--b\nContent-Disposition: attachment; filename*=utf-8''%D0%BB%D0%BE%D0%B3.txt\n\nlog\n"
        b"--b\nContent-Type: image/png\n\npng\n--b\nContent-Type: message/rfc822\n\nSubject: inner\n\nhidden\n--b--\n"
    )
    read = read_mail(mail("Content-Type: multipart/mixed; boundary=b", body=parts))
    assert (read.text, read.attachments) == ("see the log", ("лог.txt", "image/png", "message/rfc822"))


def test_multipart_that_lost_its_boundary_keeps_its_text() -> None:
    assert read_mail(mail("Content-Type: multipart/mixed", body=b"still here")).text == "still here"


@pytest.mark.parametrize(
    ("charset", "body", "text"),
    [
        ("utf-8", "привіт".encode(), "привіт"),
        ("koi8-u", "привіт".encode("koi8-u"), "привіт"),
        ("X-UNKNOWN", "привіт".encode(), "привіт"),
        ("X-UNKNOWN", b"caf\xe9", "café"),
        ("us-ascii", "привіт".encode(), "привіт"),
        ("hex", b"6162", "6162"),
        ("punycode", b"abc-", "abc-"),
        ("utf-8", b"a\x00b\xed\xa0\x80", "abí\xa0\x80"),
        ("utf-7", b"a+2AA-b", "ab"),
    ],
)
def test_any_charset_ends_as_text(charset: str, body: bytes, text: str) -> None:
    assert read_mail(mail(f"Content-Type: text/plain; charset={charset}", body=body)).text == text


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("=?utf-8?B?0L/RgNC40LLRltGC?=", "привіт"),
        ("Re: =?koi8-r?Q?=D0=D2?= and more", "Re: пр and more"),
        ("=?utf-8?B?0A==?= =?utf-8?B?v9GA?=", "пр"),
        ("=?utf-8?B?a?=", "=?utf-8?B?a?="),
        ("=?no-such?Q?abc?=", "abc"),
        ("привіт", "привіт"),
        ("=?utf-8?Q?a=00b?=", "ab"),
    ],
)
def test_any_subject_ends_as_text(subject: str, text: str) -> None:
    assert read_mail(mail(f"Subject: {subject}", body=b"")).text == text


@pytest.mark.parametrize("content", [b"", b"no header at all", b"\x00\x01\x02", b'{"text": "x"}', b"Colour: red\n\n"])
def test_what_is_no_mail_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="no mail"):
        read_mail(content)
