"""Text is cleaned, folded, masked, split and clipped without losing its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.reading.text import clean, clip, fold, mask, sentences


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("  plain  ", "plain"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("one\n\n\n\n\ntwo", "one\n\ntwo"),
        ("one \u00a0\t two", "one two"),
        ("zero\u200bwidth\ufeff\u202eend", "zerowidthend"),
        ("bell\x07 nul\x00", "bell nul"),
        ("e\u0301", "é"),
        ("e\u200b\u0301", "é"),
        ("\u0438\u0306", "й"),
        ("👩\u200d💻 works", "👩\u200d💻 works"),
        ("\ud800", ""),
        ("\n \n", ""),
    ],
)
def test_what_cannot_be_seen_is_dropped_and_line_breaks_are_kept(written: str, read: str) -> None:
    assert clean(written) == read


@given(st.text())
def test_clean_text_stays_as_it_is_when_cleaned_again(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text())
def test_folded_and_masked_text_keeps_every_place(text: str) -> None:
    assert len(fold(text)) == len(text)
    assert len(mask(text)) == len(text)
    assert mask(text).count("\n") == text.count("\n")


def test_letter_that_grows_in_lower_case_keeps_the_places_behind_it() -> None:
    assert fold("İ CRASH").index("crash") == 2


def test_code_quotes_and_links_are_masked_but_not_the_words_around() -> None:
    text = "see `crash()` at https://x.org/bug\n> old words\n```\nerror\n```\nnew"
    assert mask(text).split() == ["see", "at", "new"]


@given(st.text())
def test_sentences_are_in_order_inside_the_text_and_not_blank(text: str) -> None:
    end = 0
    for span in sentences(text):
        assert end <= span.start < span.end <= len(text)
        assert text[slice(*span)].strip()
        end = span.end


def test_sentences_end_neither_inside_numbers_nor_before_them() -> None:
    text = "Use 3.11 from 5 Dec. 2024. It works!\nDone"
    assert [text[slice(*span)] for span in sentences(text)] == ["Use 3.11 from 5 Dec. 2024.", "It works!", "Done"]


@given(st.text(), st.integers(10, 200))
def test_clipped_text_is_one_line_within_the_limit(text: str, limit: int) -> None:
    clipped = clip(text, limit)
    assert len(clipped) <= limit
    assert "\n" not in clipped


def test_clipped_text_ends_at_a_word_with_an_ellipsis() -> None:
    assert clip("the export of the invoices stops", 20) == "the export of the…"
