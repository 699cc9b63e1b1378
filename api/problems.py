"""Errors as application/problem+json (RFC 9457): what is wrong, never a stack trace, never the input again."""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.store.tasks import Unfit
from schemas.errors import Conflict, NotFound, TooLarge, Unavailable

_log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

_SHAPE = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["where", "what"],
                "properties": {"where": {"type": "string"}, "what": {"type": "string"}},
            },
        },
    },
}

DOCUMENTED: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "What is wrong with the request.", "content": {MEDIA_TYPE: {"schema": _SHAPE}}},
    "5XX": {"description": "What is wrong on our side.", "content": {MEDIA_TYPE: {"schema": _SHAPE}}},
}
"""How the OpenAPI document describes the errors of every operation."""


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None, **members: object) -> JSONResponse:
    """Write a problem; ``members`` are added to the standard ones."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}
    return _Response(body, status, dict(headers or {}))


class _Response(JSONResponse):
    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """Write ASCII only: a name in a problem may hold half of a surrogate pair, which is no UTF-8."""
        return json.dumps(content).encode("ascii")


class Problem(Exception):
    """A request that is not served, with its status and what its sender is told."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def install(app: FastAPI) -> None:
    """Give every error its problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Unfit, _unfit)
    app.add_exception_handler(NotFound, _not_found)
    app.add_exception_handler(Conflict, _conflict)
    app.add_exception_handler(TooLarge, _too_large)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(PoolTimeout, _database_away)
    app.add_exception_handler(psycopg.OperationalError, _database_away)
    app.add_exception_handler(psycopg.DataError, _unstorable)
    app.add_exception_handler(UnicodeEncodeError, _unstorable)  # half of a surrogate pair, which no text may hold


class Faults:
    """Answers for our own mistakes, where Starlette would answer outside of all middleware and raise them again."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise  # half an answer is out: the server has to break the connection off
            reference = uuid4().hex[:12]
            _log.error("error %s", reference, exc_info=error)
            answer = problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"our fault; the log has it as {reference}")
            await answer(scope, receive, send)


async def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101  # how exception handlers are typed
    return problem(error.status, error.detail)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (allowed := _methods(request)):
        headers["Allow"] = ", ".join(allowed)  # Starlette names those of one route only
    return problem(error.status_code, str(error.detail), headers=headers)


def _methods(request: Request) -> list[str]:
    """List the methods that some route serves at this path; a mounted application knows its own."""
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]
    return [
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    wrong = [
        {"where": ".".join(str(step)[:60] for step in each["loc"]), "what": str(each["msg"])[:200]}
        for each in error.errors()[:10]
    ]
    detail = "; ".join(f"{each['where']}: {each['what']}" for each in wrong[:3])
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=wrong)


async def _unfit(_: Request, error: Exception) -> JSONResponse:
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))


async def _not_found(_: Request, error: Exception) -> JSONResponse:
    return problem(HTTPStatus.NOT_FOUND, str(error))


async def _conflict(request: Request, error: Exception) -> JSONResponse:
    stale = "if-match" in request.headers
    return problem(HTTPStatus.PRECONDITION_FAILED if stale else HTTPStatus.CONFLICT, str(error))


async def _too_large(_: Request, error: Exception) -> JSONResponse:
    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))


async def _unavailable(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Unavailable)  # noqa: S101
    headers = {"Retry-After": str(error.retry_after_seconds)}
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers=headers)


async def _database_away(_: Request, error: Exception) -> JSONResponse:
    _log.warning("the database is away: %s", str(error).partition("\n")[0])
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "the database is away", headers={"Retry-After": "2"})


async def _unstorable(_: Request, error: Exception) -> JSONResponse:
    _log.info("a value that the database refuses: %s", type(error).__name__)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "a value cannot be stored as it is")
