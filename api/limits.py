"""How much a request may bring, and how long it may take to bring it."""

import asyncio
from contextlib import suppress
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, problem

MAX_BODY = 8 * 1024 * 1024
"""Bytes of a request's body."""

BODY_SECONDS = 30.0


class Limits:
    """Reads the whole body before the application sees it, and answers for what is too large, too slow or packed."""

    def __init__(self, app: ASGIApp, *, body_seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        try:
            _check(Headers(scope=scope))
            async with asyncio.timeout(self._body_seconds):
                body = await _read(receive)
        except TimeoutError:
            refusal = problem(HTTPStatus.REQUEST_TIMEOUT, "the body did not come in time", headers=_CLOSE)
            await refusal(scope, receive, send)
        except Problem as error:
            if "expect" not in Headers(scope=scope):  # else the sender waits for our word before it sends
                await _drain(receive)
            await problem(error.status, error.detail, headers=_CLOSE)(scope, receive, send)
        except ClientDisconnect:
            return  # nobody is there to be answered, and half a body is not what was meant
        else:
            await self._app(scope, _once(body, receive), send)


_CLOSE = {"Connection": "close"}
"""What is left of the body is not read."""

_DRAIN = 16 * 1024 * 1024
_DRAIN_SECONDS = 2.0


async def _drain(receive: Receive) -> None:
    """Read on for a while: many clients look for no answer before all is sent, and take a closed door for an error."""
    left, more = _DRAIN, True
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while more and left > 0:
                message = await receive()
                more = message.get("more_body", False)
                left -= len(message.get("body", b""))


def _check(headers: Headers) -> None:
    if set(headers.getlist("content-encoding")) - {"identity"}:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body as it is, not compressed")
    length = headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 18 or int(length) > MAX_BODY):
        raise _too_large()


def _too_large() -> Problem:
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has {MAX_BODY:,} bytes at most")


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise _too_large()
        if not message.get("more_body"):
            return bytes(body)


def _once(body: bytes, receive: Receive) -> Receive:
    given = False

    async def receiving() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving
