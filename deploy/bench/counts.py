"""Counts that must hold, and figures that are read off many."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Any


class Miscounted(Exception):
    """What was measured is worth nothing: something was lost, doubled or never came."""


def must_be(what: str, found: object, expected: object) -> None:
    """Raise Miscounted unless both are equal.

    >>> must_be("rows", 7, 8)
    Traceback (most recent call last):
    ...
    deploy.bench.counts.Miscounted: rows: 7, expected 8
    """
    if found != expected:
        raise Miscounted(f"{what}: {found}, expected {expected}")


def quantile(values: Sequence[float], share: float) -> float:
    """Give the value that ``share`` of the values do not exceed; raises Miscounted when there are none.

    >>> quantile([3, 1, 2], 0.5), quantile([3, 1, 2], 0.99)
    (2, 3)
    """
    if not values:
        raise Miscounted("nothing was measured")
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def medians(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Put the median of each number in place of the numbers of equal reports; the rest is the first one's.

    >>> medians([{"name": "x", "cpu": {"nats": 1}}, {"name": "x", "cpu": {"nats": 3}}])
    {'name': 'x', 'cpu': {'nats': 2.0}}
    """
    first = reports[0]
    return {name: _median([report[name] for report in reports], value) for name, value in first.items()}


def _median(values: Sequence[Any], like: Any) -> Any:
    if isinstance(like, dict):
        return medians(values)
    if isinstance(like, int | float) and not isinstance(like, bool):
        return median(values)
    return like
