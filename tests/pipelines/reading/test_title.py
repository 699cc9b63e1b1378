"""The title says the work in a line; priority and lists are read from the words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.reading.listing import MAX_ITEMS, items
from pipelines.reading.priority import priority
from pipelines.reading.title import MAX_TITLE, title
from schemas.tasks import Priority
from schemas.verdicts import Span


def read(text: str, word: str | None = None) -> str:
    decisive = Span(text.index(word), text.index(word) + len(word)) if word else None
    return title(text, decisive=decisive, fallback="a picture").value


@pytest.mark.parametrize(
    ("text", "word", "said"),
    [
        ("Hi team, please update the changelog. Thanks!", "update", "Update the changelog"),
        ("@anna could you please renew the certificate?", "renew", "Renew the certificate"),
        ("Hello! The login page crashes on iOS. Anna is ill.", "crashes", "The login page crashes on iOS"),
        ("Good morning all. We need to rotate the keys", "rotate", "Rotate the keys"),
        ("Re: Fwd: [ops] Invoice 4711 is overdue\n\nDear Eva,\nplease pay it.", "pay", "Invoice 4711 is overdue"),
        ("> did it crash?\nYes, the export crashes", "crashes", "Yes, the export crashes"),
        ("TODO: write the release notes", "write", "Write the release notes"),
        ("iOS build fails", "fails", "iOS build fails"),
        ("Привіт! Додайте, будь ласка, експорт у CSV", "Додайте", "Додайте експорт у CSV"),
        ("Доброго дня, колеги. Треба оновити сертифікат", "Треба", "Оновити сертифікат"),
        ("Привет всем! Нужно починить поиск, пожалуйста", "Нужно", "Починить поиск"),
        ("Traceback (most recent call last):\nValueError: bad", "Traceback", "ValueError: bad"),
    ],
)
def test_title_is_the_work_without_greeting_and_politeness(text: str, word: str, said: str) -> None:
    assert read(text, word) == said


def test_message_without_words_is_titled_by_the_fallback() -> None:
    assert read("") == "a picture"
    assert read("https://x.org/a") == "https://x.org/a"


def test_long_sentence_is_cut_at_a_word() -> None:
    said = read("update " + "word " * 100, "update")
    assert len(said) <= MAX_TITLE
    assert said.endswith("word…")


@given(st.text(), st.integers(0, 50))
def test_title_of_any_text_is_one_short_line_and_never_empty(text: str, start: int) -> None:
    found = title(text, decisive=Span(start, start + 1), fallback="")
    assert 0 < len(found.value) <= MAX_TITLE
    assert "\n" not in found.value
    assert found.span is None or 0 <= found.span.start < found.span.end <= len(text)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("production is down", Priority.CRITICAL),
        ("customers were charged twice", Priority.CRITICAL),
        ("please fix asap", Priority.HIGH),
        ("upgrade because of CVE-2024-1", Priority.HIGH),
        ("this is a blocker", Priority.HIGH),
        ("not urgent, but please fix", Priority.LOW),
        ("would be nice someday", Priority.LOW),
        ("a typo on the start page", Priority.LOW),
        ("please update the changelog", Priority.MEDIUM),
        ("сайт лежить!", Priority.CRITICAL),
        ("терміново полагодьте", Priority.HIGH),
        ("не терміново", Priority.LOW),
        ("клиенты не могут оплатить", Priority.CRITICAL),
        ("срочно нужно обновить", Priority.HIGH),
        ("не срочно", Priority.LOW),
    ],
)
def test_priority_follows_the_words(text: str, level: Priority) -> None:
    found = priority(text)
    assert found.value is level
    assert found.reason


def test_words_in_quotes_and_code_do_not_raise_the_priority() -> None:
    assert priority("> urgent!\nplease add `critical priority`").value is Priority.MEDIUM


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("TODO:\n- update docs\n- fix build", ["update docs", "fix build"]),
        ("Please:\n1. tag it\n2) ship it;", ["tag it", "ship it"]),
        ("todo\n[ ] open one\n[x] done one\n[ ] open two", ["open one", "open two"]),
        ("Треба: 1) оновити сертифікат 2) перевірити бекапи", ["оновити сертифікат", "перевірити бекапи"]),
        ("нужно сделать:\n• первое дело\n• второе дело", ["первое дело", "второе дело"]),
        ("Steps to reproduce, please read:\n1. open\n2. click", []),
        ("I like\n- cheese\n- bread", []),
        ("TODO: one thing", []),
        ("please see 1) in the docs", []),
    ],
)
def test_only_lists_of_work_are_lists_of_work(text: str, listed: list[str]) -> None:
    assert [text[slice(*span)] for span in items(text)] == listed


def test_list_without_end_gives_twenty_items() -> None:
    assert len(items("todo:\n" + "- do it\n" * 1000)) == MAX_ITEMS


@given(st.text(alphabet="todo: -1)2.[x]\nab"))
def test_items_of_any_text_lie_inside_it(text: str) -> None:
    for span in items("todo:\n" + text):
        assert 0 <= span.start < span.end <= len("todo:\n" + text)
