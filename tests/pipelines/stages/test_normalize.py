"""RawMessage -> Message: plain text, language, links, mentions."""

import pytest

from pipelines.stages.normalize import normalize
from schemas.errors import Rejected
from schemas.messages import Kind, TextFormat
from tests.making import raw


def test_html_becomes_plain_text_with_its_links() -> None:
    markup = '<p>Hi @anna,</p><p>the <a href="https://x.org/a">page</a> is broken.</p><script>x()</script>'
    [made] = normalize([raw(text=markup, format=TextFormat.HTML)])
    assert made.text == "Hi @anna,\n\nthe page is broken."
    assert (made.language, made.links, made.mentions) == ("en", ("https://x.org/a",), ("anna",))


def test_plain_text_keeps_what_looks_like_markup() -> None:
    [made] = normalize([raw(text="use <b> & &amp; here")])
    assert made.text == "use <b> & &amp; here"


def test_link_that_is_written_and_linked_is_listed_once() -> None:
    [made] = normalize([raw(text='<a href="https://x.org">https://x.org</a>', format=TextFormat.HTML)])
    assert made.links == ("https://x.org",)


def test_deletion_passes_without_text() -> None:
    [made] = normalize([raw(text="old words", kind=Kind.DELETE)])
    assert (made.text, made.language) == ("", "und")


def test_wordless_message_stays_a_message() -> None:
    [made] = normalize([raw(text=" \u200b\n ")])
    assert made.text == ""


def test_markup_that_cannot_be_read_is_rejected_by_its_key() -> None:
    with pytest.raises(Rejected, match="default/chat/7: HTML nested too deep"):
        normalize([raw("7", "<div>" * 20_000, format=TextFormat.HTML)])


def test_messages_keep_their_order() -> None:
    assert [made.text for made in normalize([raw("1", "one"), raw("2", "two")])] == ["one", "two"]
