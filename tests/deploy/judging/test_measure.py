"""deploy/judging/measure.py: figures that a person could check by hand."""

from deploy.judging.measure import Judged, calibration, categories, confusions, coverage, macro_f1, work
from schemas.verdicts import Category

BUG, CHORE, NOISE = Category.BUG, Category.CHORE, Category.NOISE
JUDGED = [
    Judged(BUG, BUG, 0.9),
    Judged(BUG, NOISE, 0.6),
    Judged(CHORE, CHORE, 0.8),
    Judged(NOISE, NOISE, 0.7),
    Judged(NOISE, CHORE, 0.4),
]


def test_each_category_has_its_precision_recall_and_f1() -> None:
    found = categories(JUDGED)
    assert set(found) == {"bug", "chore", "noise"}
    assert (found["bug"]["precision"]["value"], found["bug"]["recall"]["value"]) == (1.0, 0.5)
    assert found["bug"]["f1"] == 0.6667
    assert found["bug"]["recall"]["low"] < 0.5 < found["bug"]["recall"]["high"]
    assert macro_f1(JUDGED) == round((2 / 3 + 2 / 3 + 1 / 2) / 3, 4)


def test_work_and_noise_are_told_apart() -> None:
    found = work(JUDGED)
    assert (found["recall_of_work"]["value"], found["noise_caught"]["value"]) == (0.6667, 0.5)


def test_calibration_is_the_distance_of_confidence_and_truth() -> None:
    sure_and_right = [Judged(BUG, BUG, 1.0)] * 20
    assert calibration(sure_and_right)["ece"] == 0.0
    sure_and_wrong = [Judged(BUG, NOISE, 1.0)] * 20
    assert calibration(sure_and_wrong)["ece"] == 1.0
    half = [Judged(BUG, BUG, 0.5), Judged(BUG, NOISE, 0.5)] * 50
    assert calibration(half)["ece"] < 0.01
    assert len(calibration(half)["bins"]) == 10


def test_the_surest_are_right_more_often() -> None:
    assert coverage(JUDGED)[0] == {"coverage": 0.5, "right": 1.0}
    assert coverage(JUDGED)[-1] == {"coverage": 1.0, "right": 0.6}


def test_confusions_are_counted() -> None:
    assert confusions([*JUDGED, Judged(BUG, NOISE, 0.5)]) == [("bug", "noise", 2), ("noise", "chore", 1)]
