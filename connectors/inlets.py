"""POST /webhook/{source}: the door of every channel that speaks HTTP."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from re import fullmatch
from secrets import token_urlsafe

from prometheus_client import Counter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors import load
from connectors.contract import Inlet, KnownSource, Publisher, Refused, Sources
from connectors.webhook import Webhook
from schemas.errors import Full, TooLarge, Unavailable
from schemas.subjects import SLUG_PATTERN

MAX_BODY = 1024 * 1024
"""Bytes of a request's body."""

BODY_SECONDS = 20.0
"""How long a sender may take to send its body."""

REQUESTS = Counter("tasktracker_inlet_requests", "Requests to the inlets.", ["channel", "outcome"])

# The very same words for an unknown source and a bad signature: the answer tells nobody which sources there are.
_UNVERIFIED = (
    "There is no such source, or the request is not signed with one of its secrets: the signature is made over the "
    "raw body, and is good for five minutes."
)

_BODY_UNREAD = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}


def utc_now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


def inlets(
    *,
    sources: Sources,
    publisher: Publisher,
    clock: Callable[[], datetime] = utc_now,
    body_seconds: float = BODY_SECONDS,
) -> Starlette:
    """Make the ASGI application that takes webhooks in.

    It answers 202 ``{"accepted": n}`` when NATS has all n messages on disk, else problem+json (RFC 9457): 503 with
    Retry-After when the sender should try again, 4xx when that is of no use. ``/webhook/{source}`` is a source of the
    workspace ``default``, ``/webhook/{workspace}/{source}`` one of any.
    """
    door = _Door(sources, publisher, clock, body_seconds)
    return Starlette(
        routes=[
            Route("/webhook/{source}", door.post, methods=["POST"]),
            Route("/webhook/{workspace}/{source}", door.post, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _http_problem, Exception: _our_fault},
    )


@dataclass(frozen=True, slots=True)
class _Door:
    sources: Sources
    publisher: Publisher
    clock: Callable[[], datetime]
    body_seconds: float

    async def post(self, request: Request) -> Response:
        channel = "unknown"
        try:
            body = await _body(request, self.body_seconds)
            inlet, source = await self._find(request)
            channel = source.channel
            messages = inlet.receive(request.headers, body, source, self.clock())
            if source.paused:  # said only to those who know its secret
                raise Refused(HTTPStatus.CONFLICT, "This source is paused.")
            await self.publisher.publish(messages)
        except (Refused, TooLarge, Unavailable, ClientDisconnect) as error:
            return _refusal(channel, error)
        REQUESTS.labels(channel, "accepted").inc()
        return JSONResponse({"accepted": len(messages)}, HTTPStatus.ACCEPTED)

    async def _find(self, request: Request) -> tuple[Inlet, KnownSource]:
        workspace, slug = request.path_params.get("workspace", "default"), request.path_params["source"]
        if fullmatch(SLUG_PATTERN, workspace) and fullmatch(SLUG_PATTERN, slug):
            source = await self.sources.source(workspace, slug)
            inlet = _inlet(source.channel) if source else None
            if source and inlet:
                return inlet, source
        # As much work as for a known source, and the same refusal: nobody has this secret.
        return Webhook(), KnownSource("default", "nobody", "unknown", secrets=(token_urlsafe(32),))


def _inlet(channel: str) -> Inlet | None:
    try:
        connector = load(channel)
    except LookupError:
        return None
    return connector if isinstance(connector, Inlet) else None


async def _body(request: Request, seconds: float) -> bytes:
    """Read the raw body, bounded in size and time; it is never unpacked, so it cannot grow afterwards."""
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the body as it is, without a Content-Encoding.")
    too_large = Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is larger than {MAX_BODY:,} bytes.")
    said = request.headers.get("content-length", "")
    if said.isdecimal() and (len(said) > len(str(MAX_BODY)) or int(said) > MAX_BODY):
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise too_large
    except TimeoutError:
        raise Refused(HTTPStatus.REQUEST_TIMEOUT, f"The body did not arrive within {seconds:g} seconds.") from None
    return bytes(body)


def _refusal(channel: str, error: Exception) -> Response:
    match error:
        case Refused(status=HTTPStatus.UNAUTHORIZED):
            outcome, answer = "unverified", problem(HTTPStatus.UNAUTHORIZED, _UNVERIFIED)
        case Refused():
            headers = {"Connection": "close"} if error.status in _BODY_UNREAD else None
            outcome, answer = "refused", problem(error.status, error.detail, headers)
        case TooLarge():
            outcome = "refused"
            answer = problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "A message is larger than NATS carries.")
        case Unavailable():
            outcome = "full" if isinstance(error, Full) else "unavailable"
            answer = problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Not everything was stored; send the same request again later.",
                {"Retry-After": str(error.retry_after_seconds)},
            )
        case _:
            outcome, answer = "gone", problem(HTTPStatus.BAD_REQUEST, "The sender hung up.")
    REQUESTS.labels(channel, outcome).inc()
    return answer


def problem(status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> Response:
    """Answer with a problem. Source: RFC 9457."""
    return JSONResponse(
        {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail},
        status,
        headers,
        media_type="application/problem+json",
    )


async def _http_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  (Starlette calls it with nothing else)
    return problem(HTTPStatus(error.status_code), error.detail, dict(error.headers or {}))


async def _our_fault(_: Request, __: Exception) -> Response:
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "This is our fault; send the same request again later.")
