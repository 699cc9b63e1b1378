"""Measures: how often a judge is right, how sure it says it is, and what it takes for what."""

from collections import Counter
from collections.abc import Sequence
from math import sqrt
from typing import Any, NamedTuple

from schemas.verdicts import Category

BINS = 10
_Z = 1.96
_COVERAGES = (0.5, 0.7, 0.8, 0.9, 1.0)


class Judged(NamedTuple):
    """What a message was given by a person, and what a judge said of it."""

    wanted: Category
    said: Category
    confidence: float


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Give the interval of 95 % of a share. Source: Wilson, 1927.

    >>> [round(bound, 3) for bound in wilson(8, 10)]
    [0.49, 0.943]
    """
    if count == 0:
        return 0.0, 1.0
    share, square = hits / count, _Z * _Z / count
    middle = (share + square / 2) / (1 + square)
    reach = _Z * sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    return middle - reach, middle + reach


def categories(judged: Sequence[Judged]) -> dict[str, dict[str, Any]]:
    """Give precision, recall and F1 of each category that occurs, each share with its interval."""
    found = {}
    for category in Category:
        right = sum(each.wanted is category and each.said is category for each in judged)
        said = sum(each.said is category for each in judged)
        wanted = sum(each.wanted is category for each in judged)
        if said or wanted:
            found[category.value] = {
                "precision": _share(right, said),
                "recall": _share(right, wanted),
                "f1": round(2 * right / (said + wanted), 4),
                "count": wanted,
            }
    return found


def macro_f1(judged: Sequence[Judged]) -> float:
    """Average F1 over the categories that people gave.

    >>> macro_f1([Judged(Category.BUG, Category.BUG, 0.9), Judged(Category.NOISE, Category.BUG, 0.6)])
    0.3333
    """
    found = categories(judged)
    given = [each["f1"] for each in found.values() if each["count"]]
    return round(sum(given) / len(given), 4) if given else 0.0


def work(judged: Sequence[Judged]) -> dict[str, Any]:
    """Tell which share of the work is found, and which share of the noise is caught."""
    jobs = [each for each in judged if each.wanted is not Category.NOISE]
    noise = [each for each in judged if each.wanted is Category.NOISE]
    return {
        "recall_of_work": _share(sum(each.said is not Category.NOISE for each in jobs), len(jobs)),
        "noise_caught": _share(sum(each.said is Category.NOISE for each in noise), len(noise)),
    }


def calibration(judged: Sequence[Judged]) -> dict[str, Any]:
    """Compare confidence with how often it was right, in ten bins of the same size; ECE is the mean distance."""
    ordered = sorted(judged, key=lambda each: each.confidence)
    bins = [ordered[len(ordered) * place // BINS : len(ordered) * (place + 1) // BINS] for place in range(BINS)]
    rows = [
        {
            "confidence": round(sum(each.confidence for each in part) / len(part), 3),
            "right": round(sum(each.said is each.wanted for each in part) / len(part), 3),
            "count": len(part),
        }
        for part in bins
        if part
    ]
    error = sum(row["count"] * abs(row["confidence"] - row["right"]) for row in rows) / max(1, len(judged))
    return {"ece": round(error, 4), "bins": rows}


def coverage(judged: Sequence[Judged]) -> list[dict[str, float]]:
    """Tell how often the surest part of the verdicts is right."""
    ordered = sorted(judged, key=lambda each: -each.confidence)
    parts = [(share, ordered[: max(1, round(len(ordered) * share))]) for share in _COVERAGES]
    return [
        {"coverage": share, "right": round(sum(each.said is each.wanted for each in part) / len(part), 4)}
        for share, part in parts
    ]


def confusions(judged: Sequence[Judged]) -> list[tuple[str, str, int]]:
    """List what was taken for what, the most frequent first."""
    counts = Counter((each.wanted.value, each.said.value) for each in judged if each.wanted is not each.said)
    return [(wanted, said, count) for (wanted, said), count in counts.most_common()]


def _share(hits: int, count: int) -> dict[str, float]:
    low, high = wilson(hits, count)
    return {"value": round(hits / count, 4) if count else 0.0, "low": round(low, 4), "high": round(high, 4)}
