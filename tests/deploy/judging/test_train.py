"""Training: the same examples give the same bytes, and the shipped weights are those of the seed."""

from itertools import islice
from pathlib import Path

import pytest

from deploy.cli.train import NAME
from deploy.judging.examples import seeds, shipped
from deploy.judging.train import train, written
from pipelines.judges.linear import WEIGHTS
from schemas.verdicts import Category

ROWS_OF_OTHERS = Path(__file__).parents[4] / "shared/data/classification"

pytestmark = pytest.mark.timeout(300)


def test_same_examples_give_the_same_bytes_and_others_give_others() -> None:
    some = list(islice(seeds(), 0, None, 20))
    first = written(train(some, name="some@1").model)
    assert written(train(some, name="some@1").model) == first
    assert written(train(some[:-1], name="some@1").model) != first


def test_model_learns_what_it_is_shown() -> None:
    some = list(islice(seeds(), 0, None, 10))
    trained = train(some, name="some@1")
    assert 0.3 < trained.model.temperature < 5
    noise = [row.argmax() == list(Category).index(Category.NOISE) for row in trained.unseen]
    right = [said == (each.category is Category.NOISE) for said, each in zip(noise, some, strict=True)]
    assert sum(right) / len(right) > 0.7


@pytest.mark.skipif(not ROWS_OF_OTHERS.is_dir(), reason="the rows of others are not here: ../shared/data")
def test_shipped_weights_are_made_of_the_seed_and_of_rows_that_may_ship() -> None:
    examples = [*seeds(), *shipped(ROWS_OF_OTHERS)]
    assert written(train(examples, name=NAME).model) == WEIGHTS.read_bytes()
