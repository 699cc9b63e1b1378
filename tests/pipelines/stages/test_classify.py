"""Message -> Classified: each message with its verdict."""

import pytest

from pipelines.stages.classify import classify
from schemas.messages import Kind, Message
from schemas.verdicts import Category, Verdict
from tests.making import message, verdict


class Noting:
    """A judge that says the same of every message and remembers whom it was asked about."""

    def __init__(self, category: Category) -> None:
        self.category = category
        self.asked: list[str] = []

    def __call__(self, batch: list[Message]) -> list[Verdict]:
        self.asked += [message.raw.external_id for message in batch]
        return [verdict(self.category) for _ in batch]


def test_verdict_travels_with_its_message() -> None:
    [made] = classify([message(text="please ship")], judge=Noting(Category.FEATURE))
    assert (made.message.text, made.verdict.category) == ("please ship", Category.FEATURE)


def test_deletion_is_noise_and_the_judge_is_not_asked() -> None:
    judge = Noting(Category.BUG)
    made = classify([message("1"), message("2", kind=Kind.DELETE), message("3")], judge=judge)
    assert [item.verdict.category for item in made] == [Category.BUG, Category.NOISE, Category.BUG]
    assert judge.asked == ["1", "3"]


def test_judge_that_loses_a_message_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 verdicts for 1"):
        classify([message()], judge=lambda batch: [])
