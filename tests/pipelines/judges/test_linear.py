"""pipelines/judges/linear.py: learnt weights, evidence and reasons; a text gets the same verdict in any company."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.judges.features import COLUMNS, SEEN, featured
from pipelines.judges.linear import WEIGHTS, decide, judge_texts, load
from schemas.verdicts import Category, DecidedBy, Verdict

TEXTS = {
    "Login crashes since the update, white page for everybody": Category.BUG,
    "thanks, that crash is long fixed 🎉": Category.NOISE,
    "good morning all": Category.NOISE,
    "Anna, please send the contract to the lawyer by Friday": Category.CHORE,
    "which vendor did we pick in the end?": Category.QUESTION,
    "It would be great to have an export to Excel, there is none today": Category.FEATURE,
    "Каса знову не друкує чеки, черга до дверей": Category.BUG,
    "дякую, вже все зроблено": Category.NOISE,
    "Оксано, замов, будь ласка, папір до четверга": Category.CHORE,
    "а хто знає, який пароль від вайфаю?": Category.QUESTION,
    "сайт лежит с утра, заказы не открываются": Category.BUG,
    "спасибо, коллеги, всем хороших выходных": Category.NOISE,
    "Лена, отправь, пожалуйста, акт сверки в бухгалтерию": Category.CHORE,
}


def judged(text: str) -> Verdict:
    [verdict] = judge_texts([text])
    return verdict


@pytest.mark.parametrize(("text", "category"), TEXTS.items())
def test_plain_messages_are_judged_as_a_person_would(text: str, category: Category) -> None:
    verdict = judged(text)
    assert (verdict.category, verdict.decided_by) == (category, DecidedBy.MODEL)
    assert verdict.judge == load().name
    assert 0 < verdict.confidence <= 1
    assert verdict.reason


@pytest.mark.parametrize("text", [text for text, category in TEXTS.items() if category is not Category.NOISE])
def test_evidence_is_whole_words_of_the_text(text: str) -> None:
    spans = judged(text).spans
    assert spans
    for start, end in spans:
        assert 0 <= start < end <= len(text)
        assert (start == 0 or not text[start - 1].isalnum()) or not text[start].isalnum()
        assert end == len(text) or not text[end].isalnum() or not text[end - 1].isalnum()


def test_verdict_does_not_depend_on_what_else_is_in_the_batch() -> None:
    alone = [judged(text) for text in TEXTS]
    assert judge_texts(list(TEXTS)) == alone
    assert judge_texts(list(reversed(TEXTS))) == alone[::-1]


def test_nothing_is_judged_to_nothing() -> None:
    assert judge_texts([]) == []


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_any_text_is_judged(texts: list[str]) -> None:
    for text, verdict in zip(texts, judge_texts(texts), strict=True):
        assert all(0 <= start < end <= len(text) for start, end in verdict.spans)


def test_code_and_quotes_say_nothing() -> None:
    quoted, plain = featured(["> please fix the crash\nok"]), featured(["ok"])
    assert [cue for cue, _ in quoted.heard[0]] == [cue for cue, _ in plain.heard[0]]
    words, alone = quoted.columns < 1 << 15, plain.columns < 1 << 15
    assert quoted.columns[words].tolist() == plain.columns[alone].tolist()


def test_what_stands_far_behind_is_not_looked_at() -> None:
    text = "please fix the printer " * 200
    assert len(text) > SEEN
    assert judged(text[:SEEN]) == judged(text)


def test_words_are_told_apart_and_their_places_are_theirs() -> None:
    found = featured(["fix fix printer", "fix"])
    words = (found.ends - found.starts >= 3) & (found.columns < 1 << 15)
    assert found.rows[words].tolist() == [0, 0, 0, 1]
    first, again, other, elsewhere = found.columns[words].tolist()
    assert first == again == elsewhere != other
    assert list(zip(found.starts[words].tolist(), found.ends[words].tolist(), strict=True))[:3] == [
        (0, 3),
        (4, 7),
        (8, 15),
    ]


def test_noise_must_be_surer_than_work() -> None:
    shares = np.array([[0.3, 0.1, 0.05, 0.05, 0.1, 0.4], [0.1, 0.05, 0.05, 0.05, 0.05, 0.7]])
    assert decide(shares, 0.6).tolist() == [0, 5]
    assert decide(shares, 0.3).tolist() == [5, 5]


def test_weights_are_small_and_of_these_features(tmp_path: Path) -> None:
    assert WEIGHTS.stat().st_size < 1_000_000
    assert load().weights.shape == (COLUMNS, len(Category))
    assert load().weights.dtype == np.int8
    other = tmp_path / "other.npz"
    with np.load(WEIGHTS) as held:
        np.savez(other, **dict(held) | {"weights": held["weights"][:-1]})
    with pytest.raises(ValueError, match="train it anew"):
        load(other)
