"""Pages and cursors: where a page ends, opaque to those who pass it back."""

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from api.problems import Problem

T = TypeVar("T")

_MAX = 2**62


class Page(BaseModel, Generic[T]):
    """Items, and the cursor of the next page; None on the last."""

    items: Sequence[T]
    next_cursor: str | None = None


class Paged(BaseModel):
    """Which page to list: at most ``limit`` items, from where ``cursor`` says on (None: from the beginning)."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Query(ge=1, le=200)] = 50
    cursor: Annotated[str | None, Query(max_length=200)] = None


def cursor_of(*place: int | datetime | UUID | None) -> str | None:
    """Write the cursor that stands behind a place; None where there is no such place.

    >>> read_cursor(cursor_of(7))
    7
    """
    if None in place:
        return None
    parts = [part if isinstance(part, int) else str(part) for part in place]
    return urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> int | None:
    """Read the cursor of a number back; raises a 422 problem for one that we did not write."""
    if cursor is None:
        return None
    match _parts(cursor):
        case [int(number)] if 0 <= number < _MAX and not isinstance(number, bool):
            return number
        case _:
            raise _foreign()


def read_moment(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Read the cursor of a time and an id back; raises a 422 problem for one that we did not write."""
    if cursor is None:
        return None
    match _parts(cursor):
        case [str(at), str(name)]:
            try:
                return datetime.fromisoformat(at), UUID(name)
            except ValueError:
                raise _foreign() from None
        case _:
            raise _foreign()


def _parts(cursor: str) -> Any:
    try:
        return json.loads(b64decode(cursor + "=" * (-len(cursor) % 4), altchars="-_", validate=True))
    except (ValueError, RecursionError):
        raise _foreign() from None


def _foreign() -> Problem:
    return Problem(422, "cursor: not one that a page ended with")


def cut(rows: Sequence[T], limit: int) -> tuple[Sequence[T], bool]:
    """Cut a page off rows of which one more than ``limit`` was asked for; say whether there are more."""
    return rows[:limit], len(rows) > limit
