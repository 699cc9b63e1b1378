"""Sources: the configured inlets."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import SecretStr, ValidationError

from api import deps
from api.paging import Page
from api.problems import Problem
from api.queries import sources
from pipelines.store import sources as store
from schemas.sources import NewSource, Source

router = APIRouter(prefix="/api/sources", tags=["sources"])


MAX_DEPTH = 32
"""Levels of a source's settings: what is nested much deeper can be read and stored, but not be shown again."""


class Registered(Source):
    """A source, and where its inlet is (None for a channel that is not sent its messages over HTTP)."""

    url: str | None


@router.get("")
async def everything(conn: deps.Read, workspace: deps.Workspace) -> Page[Source]:
    """List the sources, by name."""
    return Page(items=await sources.everything(conn, workspace))


@router.post("", status_code=HTTPStatus.CREATED)
async def register(
    request: Request, house: deps.HouseDep, conn: deps.Write, workspace: deps.Workspace, new: NewSource
) -> Registered:
    """Register a source, or change the one of that name; its secrets are never shown again."""
    if _deeper(new.settings, MAX_DEPTH):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"settings: nested deeper than {MAX_DEPTH} levels")
    if house.check_source is not None:
        _check(house.check_source, await _with_secrets(conn, workspace, new))
    source = await store.register(conn, workspace, new, actor=deps.ACTOR)
    url = f"{request.base_url}webhook/{source.slug}" if source.channel == "webhook" else None
    return Registered(**source.model_dump(), url=url)


async def _with_secrets(conn: deps.Conn, workspace: str, new: NewSource) -> NewSource:
    """Give the source as it will be: without new secrets it keeps those that it has."""
    known = None if new.secrets else await store.find(conn, workspace, new.slug)
    return new.model_copy(update={"secret": [SecretStr(secret) for secret in known.secrets]}) if known else new


def _check(check: Callable[[NewSource], None], new: NewSource) -> None:
    try:
        check(new)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([each | {"loc": ("body", "settings", *each["loc"])} for each in wrong]) from None
    except ValueError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None


def _deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(part, levels - 1) for part in inner)
