import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.applications import Starlette

from connectors.contract import KnownSource
from connectors.inlets import MAX_BODY, inlets
from schemas.errors import Full, TooLarge, Unavailable
from schemas.messages import RawMessage
from tests.connectors.signing import OTHER_SECRET, SECRET, signed

SHARED = Path(__file__).resolve().parents[3] / "shared" / "payloads"
HELLO = b'{"text": "please fix the login"}'


class Published(list[RawMessage]):
    """A publisher that keeps what it is given, or fails as it is told."""

    failure: Exception | None = None

    async def publish(self, messages: Sequence[RawMessage], *, bulk: bool = False) -> None:
        assert not bulk
        if self.failure:
            raise self.failure
        self.extend(messages)


class Known(dict[tuple[str, str], KnownSource]):
    """Sources in memory."""

    failure: Exception | None = None

    async def source(self, workspace: str, slug: str) -> KnownSource | None:
        if self.failure:
            raise self.failure
        return self.get((workspace, slug))


SOURCES = [
    KnownSource("default", "ci", "webhook", {}, (SECRET,)),
    KnownSource("default", "bare", "webhook"),
    KnownSource("default", "open", "webhook", {"unsigned": True}),
    KnownSource("default", "asleep", "webhook", {}, (SECRET,), paused=True),
    KnownSource("default", "export", "files", {}, (SECRET,)),
    KnownSource("default", "strange", "carrier-pigeon", {}, (SECRET,)),
    KnownSource("acme", "ci", "webhook", {}, (OTHER_SECRET,)),
]


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
def known() -> Known:
    return Known({(each.workspace, each.slug): each for each in SOURCES})


@pytest.fixture
def app(published: Published, known: Known) -> Starlette:
    return inlets(sources=known, publisher=published, body_seconds=5)


async def post(app: Starlette, path: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    headers = signed(body) if headers is None else headers
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.post(path, content=body, headers=headers)


def counted(channel: str, outcome: str) -> float:
    labels = {"channel": channel, "outcome": outcome}
    return REGISTRY.get_sample_value("tasktracker_inlet_requests_total", labels) or 0.0


def assert_problem(response: httpx.Response, status: int) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body.keys() == {"type", "title", "status", "detail"}
    assert body["status"] == status


async def test_verified_message_is_published_and_then_accepted(app: Starlette, published: Published) -> None:
    before = counted("webhook", "accepted")
    response = await post(app, "/webhook/ci", HELLO)
    assert (response.status_code, response.json()) == (202, {"accepted": 1})
    assert [raw.text for raw in published] == ["please fix the login"]
    assert counted("webhook", "accepted") == before + 1


async def test_source_of_another_workspace_has_its_own_address_and_secret(app: Starlette, published: Published) -> None:
    assert (await post(app, "/webhook/acme/ci", HELLO)).status_code == 401
    assert (await post(app, "/webhook/acme/ci", HELLO, signed(HELLO, secret=OTHER_SECRET))).status_code == 202
    assert [raw.workspace for raw in published] == ["acme"]


@pytest.mark.parametrize("path", ["nobody", "export", "strange", "no%20slug", "nul%00", "x" * 500, "nowhere/ci"])
async def test_unknown_source_answers_as_a_bad_signature_does(app: Starlette, published: Published, path: str) -> None:
    wrong = await post(app, "/webhook/ci", HELLO, signed(HELLO, secret=OTHER_SECRET))
    unknown = await post(app, f"/webhook/{path}", HELLO)
    assert_problem(wrong, 401)
    assert (unknown.status_code, unknown.content) == (wrong.status_code, wrong.content)
    assert not published


async def test_source_without_a_secret_says_so(app: Starlette, published: Published) -> None:
    assert_problem(await post(app, "/webhook/bare", HELLO), 403)
    assert not published


async def test_paused_source_says_so_only_to_those_who_know_its_secret(app: Starlette, published: Published) -> None:
    assert_problem(await post(app, "/webhook/asleep", HELLO), 409)
    assert_problem(await post(app, "/webhook/asleep", HELLO, {}), 401)
    assert not published


async def test_replayed_request_is_the_same_message(app: Starlette, published: Published) -> None:
    headers = signed(HELLO)
    for _ in range(2):
        assert (await post(app, "/webhook/ci", HELLO, headers)).status_code == 202
    assert len({(raw.key, raw.message_id) for raw in published}) == 1


@pytest.mark.parametrize(
    ("failure", "outcome"), [(Unavailable("NATS is away"), "unavailable"), (Full("no room"), "full")]
)
async def test_nats_away_or_full_asks_to_try_again(
    app: Starlette, published: Published, failure: Unavailable, outcome: str
) -> None:
    published.failure = failure
    before = counted("webhook", outcome)
    response = await post(app, "/webhook/ci", HELLO)
    assert_problem(response, 503)
    assert response.headers["retry-after"] == str(failure.retry_after_seconds)
    assert counted("webhook", outcome) == before + 1


async def test_database_away_asks_to_try_again(app: Starlette, known: Known) -> None:
    known.failure = Unavailable("PostgreSQL is away")
    response = await post(app, "/webhook/ci", HELLO)
    assert_problem(response, 503)
    assert "retry-after" in response.headers


async def test_message_larger_than_nats_carries_is_too_large(app: Starlette, published: Published) -> None:
    published.failure = TooLarge("of which NATS carries less")
    assert_problem(await post(app, "/webhook/ci", HELLO), 413)


async def test_fault_of_ours_is_a_problem_without_a_trace(app: Starlette, published: Published) -> None:
    published.failure = RuntimeError("secret internals")
    response = await post(app, "/webhook/ci", HELLO)
    assert_problem(response, 500)
    assert "internals" not in response.text


async def test_body_above_the_limit_is_refused_announced_or_not(app: Starlette, published: Published) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while len(sent) < 1_000:
            sent.append(b" " * 65536)
            yield sent[-1]

    sent: list[bytes] = []
    assert_problem(await post(app, "/webhook/open", b" " * (MAX_BODY + 1), {}), 413)
    response = await post(app, "/webhook/open", endless(), {})
    assert_problem(response, 413)
    assert response.headers["connection"] == "close"
    assert sum(map(len, sent)) <= MAX_BODY + 2 * 65536
    assert not published


async def test_body_of_just_the_limit_is_taken(app: Starlette) -> None:
    body = HELLO.ljust(MAX_BODY)
    assert (await post(app, "/webhook/ci", body)).status_code == 202


async def test_packed_body_is_refused_unopened(app: Starlette) -> None:
    assert_problem(await post(app, "/webhook/ci", HELLO, signed(HELLO) | {"content-encoding": "gzip"}), 415)
    assert (await post(app, "/webhook/ci", HELLO, signed(HELLO) | {"content-encoding": "identity"})).status_code == 202


async def test_sender_that_dawdles_is_let_go(published: Published, known: Known) -> None:
    async def dawdling() -> AsyncIterator[bytes]:
        yield HELLO
        await asyncio.Event().wait()

    app = inlets(sources=known, publisher=published, body_seconds=0.05)
    assert_problem(await post(app, "/webhook/open", dawdling(), {}), 408)
    assert not published


async def test_other_paths_and_methods_are_problems(app: Starlette) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert_problem(await client.get("/webhook/ci"), 405)
        assert_problem(await client.post("/elsewhere"), 404)


async def test_nothing_of_a_request_is_logged(app: Starlette, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    headers = signed(HELLO, secret=OTHER_SECRET)
    await post(app, "/webhook/ci", HELLO, headers)
    await post(app, "/webhook/ci", HELLO)
    for hidden in (SECRET, "please fix", headers["webhook-signature"]):
        assert hidden not in caplog.text


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real payloads are not here")
@pytest.mark.parametrize("path", ["ci", "open"])
async def test_every_body_of_the_json_suite_is_refused_at_the_door(
    app: Starlette, published: Published, path: str
) -> None:
    files = sorted((SHARED / "json_suite").iterdir())
    assert len(files) > 300
    for file in files:
        response = await post(app, f"/webhook/{path}", file.read_bytes(), signed(file.read_bytes()))
        if file.name.startswith("y_"):
            expected = {422}  # JSON, but no message: none of them has a text
        else:
            expected = {400, 401, 422} if file.name.startswith("i_") else {400, 401}
        assert response.status_code in expected, (file.name, response.text)
        assert_problem(response, response.status_code)
    assert not published


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real payloads are not here")
async def test_naughty_strings_come_in(app: Starlette, published: Published) -> None:
    strings = json.loads((SHARED / "naughty" / "blns.json").read_text())
    body = json.dumps([{"text": text, "author": text[:500] or None} for text in strings]).encode()
    assert (await post(app, "/webhook/ci", body)).status_code == 202
    assert [raw.text for raw in published] == strings
