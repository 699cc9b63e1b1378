"""Errors as application/problem+json (RFC 9457): what is wrong, never a stack trace, never the input again."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from uuid import uuid4

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from schemas.errors import Conflict, NotFound, TooLarge, Unavailable

_log = logging.getLogger(__name__)


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None, **members: object) -> JSONResponse:
    """Write a problem; ``members`` are added to the standard ones."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}
    return JSONResponse(body, status, dict(headers or {}), media_type="application/problem+json")


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
    app.add_exception_handler(NotFound, _not_found)
    app.add_exception_handler(Conflict, _conflict)
    app.add_exception_handler(TooLarge, _too_large)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(PoolTimeout, _database_away)
    app.add_exception_handler(psycopg.OperationalError, _database_away)
    app.add_exception_handler(psycopg.DataError, _unstorable)
    app.add_exception_handler(Exception, _our_fault)


async def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101  # how exception handlers are typed
    return problem(error.status, error.detail)


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    return problem(error.status_code, str(error.detail), headers=error.headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    wrong = [
        {"where": ".".join(str(step)[:60] for step in each["loc"]), "what": str(each["msg"])[:200]}
        for each in error.errors()[:10]
    ]
    detail = "; ".join(f"{each['where']}: {each['what']}" for each in wrong[:3])
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=wrong)


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


async def _our_fault(_: Request, error: Exception) -> JSONResponse:
    reference = uuid4().hex[:12]
    _log.error("error %s", reference, exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"our fault; the log has it as {reference}")
