"""What the api counts."""

from time import perf_counter

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS = Counter("tasktracker_http_requests_total", "Requests served", ["method", "route", "status"])
SECONDS = Histogram("tasktracker_http_request_seconds", "Time to serve a request", ["method", "route"])

_METHODS = {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"}


class Counting:
    """Counts requests by the template of their route, never by what stands in it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path_format", "none")
            REQUESTS.labels(method, route, str(status or "gone")).inc()
            SECONDS.labels(method, route).observe(perf_counter() - begun)
