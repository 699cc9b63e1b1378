"""How much a request may bring, and how long it may take to bring it."""

import asyncio
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem

MAX_BODY = 8 * 1024 * 1024
"""Bytes of a request's body."""

BODY_SECONDS = 30.0


class Limits:
    """Reads the whole body before the application sees it, and answers for what is too large, too slow or packed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if headers.get(b"content-encoding", b"identity") != b"identity":
            refusal = problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body as it is, not compressed")
            await refusal(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read(receive)
        except TimeoutError:
            await problem(HTTPStatus.REQUEST_TIMEOUT, "the body did not come in time", headers=_CLOSE)(
                scope, receive, send
            )
            return
        if body is None:
            detail = f"a body has {MAX_BODY:,} bytes at most"
            await problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, headers=_CLOSE)(scope, receive, send)
            return
        await self._app(scope, _once(body, receive), send)


_CLOSE = {"Connection": "close"}


async def _read(receive: Receive) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
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
