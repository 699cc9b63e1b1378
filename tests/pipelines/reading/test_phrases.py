"""Phrases are found by their words, at the places the table asks for."""

import pytest

from pipelines.reading.phrases import Phrases


def found(phrases: str, text: str) -> list[str]:
    return [text[slice(*span)] for _, span in Phrases([("value", phrases)]).find(text)]


@pytest.mark.parametrize(
    ("phrases", "text", "words"),
    [
        ("crash*", "it crashed twice", ["crashed"]),
        ("crash", "it crashed", []),
        ("does not work", "it does not work", ["does not work"]),
        ("does not work", "it does not  work", []),
        ("please .. add", "please do also add it", ["please do also add"]),
        ("please .. add", "please one two three four add", []),
        ("please .. add", "please add", ["please add"]),
        ("^add", "add it", ["add"]),
        ("^add", "to add it", []),
        ("^add", "well. add it", ["add"]),
        ("^add", "- add it", ["add"]),
        ("^add", "@anna add it", ["add"]),
        ("^add", "anna, add it", ["add"]),
        ("^add", "yes, add it", []),
        ("fix", "prefix", []),
        ("error | crash", "crash and error", ["crash"]),
        ("не працює", "все не працює!", ["не працює"]),
    ],
)
def test_phrase_is_found_where_it_stands(phrases: str, text: str, words: list[str]) -> None:
    assert found(phrases, text) == words


def test_values_come_in_the_order_of_the_table_each_once() -> None:
    table = Phrases([("first", "later | also"), ("second", "early")])
    assert [value for value, _ in table.find("early and also later")] == ["first", "second"]


def test_phrase_that_could_be_filed_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="needs 4 letters"):
        Phrases([("value", "fix*")])
