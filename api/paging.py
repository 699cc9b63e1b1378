"""Cursors: where a page ends, opaque to those who pass it back."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from api.problems import Problem

T = TypeVar("T")

_MAX = 2**62


class Page(BaseModel, Generic[T]):
    """Items, and the cursor of the next page; None on the last."""

    items: Sequence[T]
    next_cursor: str | None = None


def cursor_of(value: int | None) -> str | None:
    """Write the cursor that stands behind a number.

    >>> read_cursor(cursor_of(7))
    7
    """
    return None if value is None else urlsafe_b64encode(json.dumps([value]).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> int | None:
    """Read a cursor back; raises a 422 problem for one that we did not write."""
    if cursor is None:
        return None
    try:
        [value] = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return _bounded(value)
    except (ValueError, TypeError, RecursionError):
        raise Problem(422, "cursor: not one that a page ended with") from None


def _bounded(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < _MAX:
        raise ValueError("no position")
    return value


def cut(rows: Sequence[T], limit: int) -> tuple[Sequence[T], bool]:
    """Cut a page off rows of which one more than ``limit`` was asked for; say whether there are more."""
    return rows[:limit], len(rows) > limit
