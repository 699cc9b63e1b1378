"""Versions: what a caller saw, as If-Match says it, and what there is now, as ETag does."""

from http import HTTPStatus
from typing import Annotated, TypeAlias

from fastapi import Header, Response

from api.problems import Problem

IfMatch: TypeAlias = Annotated[str | None, Header(alias="If-Match", description='The version that was read, as "3".')]


def read_version(if_match: str | None) -> int | None:
    """Read the version that the caller saw; ``*`` stands for any, which is None. Raises a 428 or 412 problem.

    >>> read_version('"3"'), read_version('W/"4"'), read_version("*")
    (3, 4, None)
    """
    if if_match is None:
        raise Problem(HTTPStatus.PRECONDITION_REQUIRED, "send If-Match with the version that you saw (its ETag)")
    given = if_match.strip().removeprefix("W/").strip('"')
    if given == "*":
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= 9):
        raise Problem(HTTPStatus.PRECONDITION_FAILED, "If-Match is no version: send the ETag of what you saw")
    return int(given)


def tag(response: Response, version: int) -> None:
    """Tell the version in the answer's headers."""
    response.headers["ETag"] = f'"{version}"'
