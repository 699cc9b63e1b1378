"""Who is mentioned, who is asked, who offers; and what a text links to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.reading.assignee import assignee
from pipelines.reading.labels import labels
from pipelines.reading.links import links, web_links
from pipelines.reading.people import mentions


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("@anna please renew the certificate", "anna"),
        ("@anna, could you look at it?", "anna"),
        ("please review this, @bob.k", "bob.k"),
        ("Could @olha check the backup?", "olha"),
        ("Anna, can you send the report?", "Anna"),
        ("Hi Anna, please send the report", "Anna"),
        ("icebox: can you post it?", "icebox"),
        ("assign it to maria", "maria"),
        ("Owner: @petro", "petro"),
        ("I'll take it", "author"),
        ("@anna I'll take it", "author"),
        ("I'm on it", "author"),
        ("assign it to me", "author"),
        ("Олено, можеш глянути?", "Олено"),
        ("@olha онови документацію", "olha"),
        ("беру на себе", "author"),
        ("Иван, посмотри пожалуйста", "Иван"),
        ("@ivan глянь логи", "ivan"),
        ("я исправлю вечером", "author"),
    ],
)
def test_person_who_is_asked_or_offers_is_the_assignee(text: str, named: str) -> None:
    found = assignee(text, author="author")
    assert found is not None
    assert found.value == named
    assert found.span is not None
    assert named == "author" or named in text[slice(*found.span)]


@pytest.mark.parametrize(
    "text",
    [
        "as anna said, it is slow",
        "the bug that @anna found is old",
        "Please can you check it?",
        "Додайте, будь ласка, експорт",
        "How can you do this?",
        "mail me at a@b.org",
        "",
    ],
)
def test_person_who_is_only_talked_about_is_not_asked(text: str) -> None:
    assert assignee(text, author="author") is None


def test_offer_without_an_author_names_nobody() -> None:
    assert assignee("I'll take it", author=None) is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("@anna and @bob-k. and <@U42|олена> and <@U43>", ("anna", "bob-k", "олена", "U43")),
        ("@anna @anna", ("anna",)),
        ("a@b.org https://x.org/@user", ()),
    ],
)
def test_mentions_are_listed_once_and_mail_addresses_are_none(text: str, named: tuple[str, ...]) -> None:
    assert mentions(text) == named


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("see https://x.org/a?b=c#d, ok", ("https://x.org/a?b=c#d",)),
        ("(https://x.org/wiki/A_(b))", ("https://x.org/wiki/A_(b)",)),
        ("<https://x.org|here>", ("https://x.org",)),
        ("https://x.org https://x.org", ("https://x.org",)),
        ("http:// and javascript://x", ()),
    ],
)
def test_links_are_listed_once_without_the_punctuation_around(text: str, named: tuple[str, ...]) -> None:
    assert links(text) == named


def test_only_addresses_on_the_web_are_kept_of_the_targets_of_links() -> None:
    assert web_links(["https://x.org", "javascript:alert(1)", "mailto:a@b.org", "/here"]) == ("https://x.org",)


def test_hashtags_are_labels_and_issue_numbers_are_not() -> None:
    assert [label.value for label in labels("#Billing #мобільний see #42 and a#b")] == ["billing", "мобільний"]


@given(st.text())
def test_spans_of_people_and_labels_lie_inside_any_text(text: str) -> None:
    asked = assignee(text, author="author")
    for found in (*labels(text), *([asked] if asked else [])):
        assert found.span is not None
        assert 0 <= found.span.start < found.span.end <= len(text)
