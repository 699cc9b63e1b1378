"""api/app.py: what holds for every request, and what the api says of itself."""

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message, Scope

from api.deps import Resources
from api.limits import MAX_BODY, Limits
from tests.problems import problem
from tests.serving import TOKEN, make, serving

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("path", ["/api/nothing", "/nothing", "/api/tasks/1/nothing", "/static/nothing.js", "/api/"])
async def test_what_is_not_there_is_a_problem(client: httpx.AsyncClient, path: str) -> None:
    problem(await client.get(path), 404)


async def test_path_out_of_the_static_folder_is_not_served(client: httpx.AsyncClient) -> None:
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"):
        problem(await client.get(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("DELETE", "/api/tasks", "GET, POST"), ("PUT", "/api/messages", "GET, POST"), ("POST", "/docs", "GET")],
)
async def test_method_that_a_route_does_not_know_is_refused_with_those_that_it_knows(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await client.request(method, path)
    problem(answer, 405)
    assert answer.headers["allow"] == allowed


async def test_page_is_served_with_its_headers(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'self'" in answer.headers["content-security-policy"]


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 65536 + 1):
        yield b" " * 65536


async def test_body_that_is_too_large_is_refused_while_it_streams(client: httpx.AsyncClient) -> None:
    problem(await client.post("/api/messages", content=chunks(MAX_BODY), headers=JSON), 413)


@pytest.mark.parametrize("length", [str(MAX_BODY + 1), "9" * 5000])
async def test_body_that_asks_first_whether_it_may_be_so_large_is_not_read(
    client: httpx.AsyncClient, length: str
) -> None:
    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("was read")
        yield b""

    headers = JSON | {"Content-Length": length, "Expect": "100-continue"}
    answer = await client.post("/api/messages", content=unread(), headers=headers)
    problem(answer, 413)
    assert answer.headers["connection"] == "close"


async def test_packed_body_is_refused(client: httpx.AsyncClient) -> None:
    body = gzip.compress(b"[]")
    for given in ([("Content-Encoding", "gzip")], [("Content-Encoding", "identity"), ("Content-Encoding", "gzip")]):
        problem(await client.post("/api/messages", content=body, headers=[*JSON.items(), *given]), 415)


SCOPE: Scope = {"type": "http", "method": "POST", "path": "/", "headers": []}


async def served(limits: Limits, *messages: Message) -> list[Message]:
    """Send a request's messages, then nothing more; return the answer's."""
    left, sent = list(messages), []

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await limits(SCOPE, receive, send)
    return sent


async def test_rest_of_what_is_too_large_is_read_so_that_its_sender_sees_the_answer() -> None:
    piece: Message = {"type": "http.request", "body": b" " * MAX_BODY, "more_body": True}
    left: list[Message] = [piece, piece, {"type": "http.request", "body": b" ", "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        return left.pop(0)

    async def send(message: Message) -> None:
        assert left == []
        sent.append(message)

    await Limits(never)(SCOPE, receive, send)
    assert sent[0]["status"] == 413


async def test_sender_without_end_is_answered_all_the_same() -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b" " * MAX_BODY, "more_body": True}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await Limits(never)(SCOPE, receive, send)
    assert sent[0]["status"] == 413


async def never(*_: Any) -> None:
    raise AssertionError("the application was called")


async def test_body_that_does_not_come_in_time_is_refused() -> None:
    [start, _] = await served(
        Limits(never, body_seconds=0.05), {"type": "http.request", "body": b"[", "more_body": True}
    )
    assert start["status"] == 408


async def test_half_a_body_whose_sender_went_away_is_not_used() -> None:
    part: Message = {"type": "http.request", "body": b"[]", "more_body": True}
    assert await served(Limits(never), part, {"type": "http.disconnect"}) == []


@pytest.fixture
async def broken(resources: Resources) -> AsyncIterator[httpx.AsyncClient]:
    app = make(resources)

    @app.get("/api/broken")
    async def broken() -> None:
        raise KeyError("s3cret")

    async with serving(app) as client:
        yield client


async def test_our_own_fault_is_a_problem_with_a_reference_to_the_log(
    broken: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "api.problems"):
        answer = await broken.get("/api/broken")
    detail = problem(answer, 500)
    assert "s3cret" not in answer.text
    [record] = caplog.records
    assert detail.rpartition(" ")[2] in record.getMessage()
    assert record.exc_info
    assert 'route="/api/broken",status="500"' in (await broken.get("/metrics")).text


async def test_openapi_describes_every_operation_and_its_errors(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.")
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    for expected in (
        "GET /api/tasks",
        "POST /api/tasks",
        "GET /api/tasks/{name}",
        "PATCH /api/tasks/{task}",
        "POST /api/tasks/{task}/review",
        "POST /api/tasks/{task}/comments",
        "GET /api/messages",
        "POST /api/messages",
        "GET /api/messages/{message}",
        "GET /api/events",
        "GET /api/sources",
        "POST /api/sources",
        "GET /api/dead",
        "GET /api/dead/{letter}",
        "PATCH /api/dead/{letter}",
        "DELETE /api/dead/{letter}",
        "POST /api/dead/{letter}/requeue",
        "GET /api/dead/summary",
        "POST /api/dead/requeue",
        "POST /api/dead/drop",
        "GET /api/stats",
        "GET /api/health",
        "GET /api/health/live",
        "GET /api/health/ready",
    ):
        assert expected in operations
    for name, operation in operations.items():
        assert operation["summary"], name
        assert operation["description"], name
        for status in ("4XX", "5XX"):
            [(kind, shape)] = operation["responses"][status]["content"].items()
            assert (kind, shape["schema"]["title"]) == ("application/problem+json", "Problem"), name
        assert "422" not in operation["responses"], name
        assert ("security" in operation) != name.startswith("GET /api/health"), name
    names = [operation["operationId"] for operation in operations.values()]
    assert len(set(names)) == len(names)
    for reference in _references(document):
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]


def _references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [found for value in part.values() for found in _references(value)]
    return [found for value in part for found in _references(value)] if isinstance(part, list) else []


async def test_docs_list_every_operation_without_anything_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.status_code == 200
    assert "PATCH /api/tasks/{task}" in page.text
    assert "//" not in page.text.replace("://127.0.0.1", "")
    for method in ("GET", "POST"):
        assert f"{method} /api/messages" in page.text


async def test_slow_reader_of_an_answer_holds_no_connection(app: FastAPI, resources: Resources) -> None:
    """More answers than the pool has connections wait to be read at once, and the next request is still served."""
    unread = asyncio.Event()
    waiting = 0

    async def ask(*, read: bool) -> int:
        status = 0

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, waiting
            status = message.get("status", status)
            if not read:
                waiting += 1
                await unread.wait()

        await app(_scope("/api/tasks"), receive, send)
        return status

    async with app.router.lifespan_context(app), asyncio.TaskGroup() as group:
        slow = [group.create_task(ask(read=False)) for _ in range(resources.read.max_size + 2)]
        async with asyncio.timeout(4):
            while waiting < len(slow):
                await asyncio.sleep(0.01)
            assert await ask(read=True) == 200
        unread.set()


def _scope(path: str) -> Scope:
    headers = [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {TOKEN}".encode())]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
