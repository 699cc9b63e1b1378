"""Who may come in: the right Host, no foreign Origin, and the access token or the cookie made from it."""

import hmac
from collections.abc import Collection
from hashlib import sha256
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import problem

_MAX_AGE_SECONDS = 30 * 24 * 3600
_SAFE = {"GET", "HEAD", "OPTIONS"}
_OPEN = ("/api/health", "/static/")
_FOREIGN_WEBSOCKET = 4403
_ASK = {"WWW-Authenticate": "Bearer"}


class Door:
    """Lets through what may come in, and answers the rest itself; also for WebSockets.

    Open to all: the health routes, the page's own files, and ``/``, which says how to sign in. ``/?token=…`` trades
    the token for a cookie, so that it leaves the address bar.
    """

    def __init__(self, app: ASGIApp, *, token: str, hosts: Collection[str]) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = {host.lower() for host in hosts}
        # Not the token itself: a cookie that leaks cannot be used as a bearer token.
        self._cookie = self._derive("cookie v1")
        # Cookies know no ports: two stacks on one host would sign each other's users out.
        self._cookie_name = f"tasktracker-{self._derive('cookie name v1')[:8]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        answer = self._answer(scope, Headers(scope=scope))
        if answer is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _FOREIGN_WEBSOCKET})  # before accept: an HTTP 403
        else:
            await answer(scope, receive, send)

    def _answer(self, scope: Scope, headers: Headers) -> Response | None:
        """Say no, or sign in; None lets the request through."""
        host = headers.get("host", "")
        if _name(host) not in self._hosts:
            return problem(HTTPStatus.MISDIRECTED_REQUEST, "not served under this host name: see TASKTRACKER_HOSTS")
        origin = headers.get("origin")
        if origin is not None and _site(origin) != host.lower():
            return problem(HTTPStatus.FORBIDDEN, "requests from another site are not served")
        path: str = scope["path"]
        if path == "/" and (given := parse_qs(scope["query_string"].decode("latin-1")).get("token")):
            return self._sign_in(given[0], secure=scope["scheme"] == "https")
        if path == "/" or path.startswith(_OPEN) or self._bearer(headers):
            return None
        return self._by_cookie(scope, headers)

    def _by_cookie(self, scope: Scope, headers: Headers) -> Response | None:
        if not self._has_cookie(headers):
            detail = "send the access token as Authorization: Bearer …, or open /?token=…"
            return problem(HTTPStatus.UNAUTHORIZED, detail, headers=_ASK)
        if scope["type"] == "http" and scope["method"] not in _SAFE and "origin" not in headers:
            return problem(HTTPStatus.FORBIDDEN, "a change by cookie must say its Origin")
        return None

    def _bearer(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token)

    def _has_cookie(self, headers: Headers) -> bool:
        # Not http.cookies: one odd cookie of another program on this host would hide all that follow it.
        given = cookie_parser("; ".join(headers.getlist("cookie"))).get(self._cookie_name, "")
        return hmac.compare_digest(given.encode(), self._cookie.encode())

    def _derive(self, purpose: str) -> str:
        return hmac.new(self._token, purpose.encode(), sha256).hexdigest()

    def _sign_in(self, given: str, *, secure: bool) -> Response:
        if not hmac.compare_digest(given.encode(errors="replace"), self._token):
            return problem(HTTPStatus.UNAUTHORIZED, "this is not the access token", headers=_ASK)
        answer = RedirectResponse("/", HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})
        answer.set_cookie(
            self._cookie_name, self._cookie, max_age=_MAX_AGE_SECONDS, secure=secure, httponly=True, samesite="strict"
        )
        return answer


def _name(host: str) -> str:
    """Take the port off a Host header.

    >>> _name("[::1]:8000"), _name("LOCALHOST:80"), _name("example.org")
    ('[::1]', 'localhost', 'example.org')
    """
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() and (not name.startswith("[") or name.endswith("]")) else host.lower()


def _site(origin: str) -> str | None:
    """Take the scheme off an Origin header; None for one that is no address (``null``, or nonsense).

    >>> _site("http://localhost:8000"), _site("null"), _site("http://[")
    ('localhost:8000', None, None)
    """
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
