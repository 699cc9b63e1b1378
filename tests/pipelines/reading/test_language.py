"""The language of a message is told by its letters and words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.reading.language import language


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("The page is broken", "en"),
        ("please fix", "en"),
        ("Сторінка не працює", "uk"),
        ("треба задеплоїти на production сьогодні", "uk"),
        ("дякую", "uk"),
        ("подивись об'єкт", "uk"),
        ("Страница не открывается", "ru"),
        ("почему упал NullPointerException в проде? это важно", "ru"),
        ("спасибо", "ru"),
        ("Das ist nicht gut, bitte prüfen", "und"),
        ("Ђорђе је овде", "und"),
        ("ок", "und"),
        ("+1 👍", "und"),
        ("", "und"),
    ],
)
def test_language_is_told_by_letters_and_words(text: str, name: str) -> None:
    assert language(text) == name


@given(st.text())
def test_any_text_has_a_language_or_none(text: str) -> None:
    assert language(text) in ("en", "uk", "ru", "und")
