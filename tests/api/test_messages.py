"""api/routes/messages.py: what is accepted is in NATS, what is stored is shown."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg

from api.deps import Resources
from connectors.publish import Publisher
from pipelines.store import sources
from pipelines.store.messages import persist
from schemas.errors import Full, TooLarge, Unavailable
from schemas.messages import Kind, RawMessage
from schemas.sources import NewSource
from schemas.subjects import Stream
from tests.asking import Conn, rows
from tests.making import extracted
from tests.problems import problem
from tests.serving import make, serving

JSON = {"Content-Type": "application/json"}
PAYLOADS = Path(__file__).parents[2].parent / "shared" / "payloads"
LINE = {"source": "crm", "external_id": "1", "text": "please ship"}


@pytest.fixture
async def js(nats_url: str) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(nats_url)
    yield client.jetstream()
    await client.close()


async def in_raw(js: JetStreamContext) -> list[RawStreamMsg]:
    state = (await js.stream_info(Stream.RAW)).state
    return [await js.get_msg(Stream.RAW, seq) for seq in range(state.first_seq, state.last_seq + 1) if state.messages]


async def test_message_is_in_nats_when_it_is_accepted(client: httpx.AsyncClient, js: JetStreamContext) -> None:
    answer = await client.post("/api/messages", json=LINE | {"sent_at": "2026-11-19T12:00:00+02:00", "author": "anna"})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    [kept] = await in_raw(js)
    raw = RawMessage.model_validate_json(kept.data or b"")
    assert kept.subject == "raw.default.api.crm"
    assert (kept.headers or {})["Nats-Msg-Id"] == raw.message_id
    assert (raw.text, raw.author, raw.channel, raw.origin) == ("please ship", "anna", "api", "live")
    assert raw.sent_at.isoformat() == "2026-11-19T10:00:00+00:00"


async def test_list_is_accepted_whole(client: httpx.AsyncClient, js: JetStreamContext, conn: Conn) -> None:
    lines = [LINE | {"external_id": str(n), "source": f"crm-{n % 2}"} for n in range(30)]
    answer = await client.post("/api/messages", json=lines)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 30})
    kept = await in_raw(js)
    assert {RawMessage.model_validate_json(each.data or b"").external_id for each in kept} == {
        str(n) for n in range(30)
    }
    found = await rows(conn, "select slug, channel from sources order by slug")
    assert found == [{"slug": "crm-0", "channel": "api"}, {"slug": "crm-1", "channel": "api"}]


async def test_same_message_again_is_in_nats_once(client: httpx.AsyncClient, js: JetStreamContext) -> None:
    for _ in range(3):
        assert (await client.post("/api/messages", json=LINE)).status_code == 202
    assert (await client.post("/api/messages", json=[LINE] * 20)).status_code == 202
    assert len(await in_raw(js)) == 1


async def test_source_of_another_channel_is_not_written_to(
    client: httpx.AsyncClient, js: JetStreamContext, conn: Conn
) -> None:
    async with conn.transaction():
        await sources.register(conn, "default", NewSource(slug="crm", channel="webhook"), actor="anna")
    assert "webhook" in problem(await client.post("/api/messages", json=LINE), 409)
    assert not await in_raw(js)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "source"),
        ([], "body"),
        ([LINE] * 1001, "body"),
        ("please ship", "body"),
        (None, "body"),
        (LINE | {"source": "No Slug"}, "source"),
        (LINE | {"external_id": ""}, "external_id"),
        (LINE | {"text": "a\x00b"}, "text"),
        (LINE | {"text": "x" * 200_001}, "text"),
        (LINE | {"sent_at": "yesterday"}, "sent_at"),
        (LINE | {"sent_at": "2026-11-19T12:00:00"}, "sent_at"),
        (LINE | {"kind": "edit"}, "body"),
        (LINE | {"revision": -1}, "revision"),
        (LINE | {"revision": True}, "revision"),
        (LINE | {"sent_at": "0001-01-01T00:00:00+14:00"}, "sent_at"),
        (LINE | {"sent_at": "9999-12-31T23:59:59-14:00"}, "sent_at"),
        (LINE | {"txt": "please"}, "txt"),
        ([LINE, LINE | {"source": None}], "list.1.source"),
    ],
)
async def test_message_of_the_wrong_shape_is_refused_saying_where(
    client: httpx.AsyncClient, js: JetStreamContext, body: Any, where: str
) -> None:
    answer = await client.post("/api/messages", json=body)
    assert where in problem(answer, 422)
    assert len(answer.json()["errors"]) == 1 or body == {}
    assert not await in_raw(js)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"text": NaN}',
        b'{"source": "crm", "external_id": "1", "text": "\\ud800"}',
        b'{"source": "crm", "external_id": "1", "text": "\xff"}',
        b'{"source": "crm", "external_id": "1", "text": "", "revision": ' + b"9" * 10_000 + b"}",
        b'{"source": "crm", "external_id": "1", "text": "", "revision": 1e400}',
        b'{"\\ud800": 1}',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"text":' * 100_000 + b"1" + b"}" * 100_000,
        "[]".encode("utf-16"),
    ],
    ids=range(12),
)
async def test_body_that_is_no_message_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/api/messages", content=body, headers=JSON)
    problem(answer, 400 if answer.status_code == 400 else 422)


async def test_json_suite_is_refused_at_the_door_or_accepted(client: httpx.AsyncClient) -> None:
    files = sorted((PAYLOADS / "json_suite").glob("*.json"))
    if not files:
        pytest.skip("the JSON test suite is not here")
    for file in files:
        answer = await client.post("/api/messages", content=file.read_bytes(), headers=JSON)
        assert 400 <= answer.status_code < 500, file.name
        inside = b'{"source":"crm","external_id":"1","text":"t","author":' + file.read_bytes() + b"}"
        answer = await client.post("/api/messages", content=inside, headers=JSON)
        accepted = answer.status_code == 202 and not file.name.startswith("n_")
        assert accepted or 400 <= answer.status_code < 500, file.name


async def test_naughty_strings_are_accepted_or_refused_and_nothing_else(
    client: httpx.AsyncClient, js: JetStreamContext
) -> None:
    file = PAYLOADS / "naughty" / "blns.json"
    if not file.exists():
        pytest.skip("the big list of naughty strings is not here")
    taken = {}
    for number, text in enumerate(json.loads(file.read_bytes())):
        body = json.dumps(LINE | {"external_id": str(number), "text": text, "author": text or None})
        answer = await client.post("/api/messages", content=body, headers=JSON)
        assert answer.status_code in (202, 422), text
        if answer.status_code == 202:
            taken[str(number)] = text
    raws = [RawMessage.model_validate_json(kept.data or b"") for kept in await in_raw(js)]
    assert {raw.external_id: raw.text for raw in raws} == taken
    assert len(taken) > 500


class Failing(Publisher):
    """A publisher whose NATS always says the same."""

    def __init__(self, resources: Resources, error: Exception) -> None:
        super().__init__(resources.nats)
        self._error = error

    async def publish(self, messages: Sequence[RawMessage], *, bulk: bool = False) -> None:
        raise self._error


@asynccontextmanager
async def failing(resources: Resources, error: Exception) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(make(replace(resources, publisher=Failing(resources, error)))) as client:
        yield client


@pytest.mark.parametrize(("error", "seconds"), [(Unavailable("NATS is away"), "2"), (Full("no room"), "30")])
async def test_what_nats_does_not_take_is_to_be_sent_again(
    resources: Resources, error: Exception, seconds: str
) -> None:
    async with failing(resources, error) as client:
        answer = await client.post("/api/messages", json=LINE)
        problem(answer, 503)
        assert answer.headers["retry-after"] == seconds


async def test_message_that_nats_can_never_carry_is_too_large(resources: Resources) -> None:
    async with failing(resources, TooLarge("2,000,000 bytes")) as client:
        problem(await client.post("/api/messages", json=LINE), 413)


async def test_nothing_is_accepted_while_nats_is_away(client: httpx.AsyncClient, resources: Resources) -> None:
    await resources.nats.close()
    answer = await client.post("/api/messages", json=LINE)
    problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0


async def store(conn: Conn, *numbers: int) -> None:
    async with conn.transaction():
        await sources.ensure(conn, "default", "chat", "telegram")
        await sources.ensure(conn, "default", "mail", "email")
    for n in numbers:
        titles = ("Ship it",) if n % 2 else ()
        where: dict[str, Any] = {"source": "mail", "channel": "email"} if n % 3 == 0 else {}
        await persist(conn, [extracted(str(n), f"please ship {n}", *titles, conversation=f"room-{n % 2}", **where)])


async def test_pages_show_every_message_once_while_new_ones_arrive(client: httpx.AsyncClient, conn: Conn) -> None:
    await store(conn, *range(7))
    seen: list[str] = []
    wanted: dict[str, Any] = {"limit": 2}
    for arriving in range(100, 104):
        page = (await client.get("/api/messages", params=wanted)).json()
        seen += [message["external_id"] for message in page["items"]]
        await store(conn, arriving)
        wanted["cursor"] = page["next_cursor"]
    assert (seen, wanted["cursor"]) == (["6", "5", "4", "3", "2", "1", "0"], None)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, "543210"),
        ({"source": "mail"}, "30"),
        ({"channel": "telegram"}, "5421"),
        ({"conversation": "room-1"}, "531"),
        ({"category": "noise"}, "420"),
        ({"has_task": True}, "531"),
        ({"has_task": False, "source": "chat"}, "42"),
    ],
)
async def test_filters_list_what_matches_all_of_them(
    client: httpx.AsyncClient, conn: Conn, wanted: dict[str, Any], found: str
) -> None:
    await store(conn, *range(6))
    answer = await client.get("/api/messages", params=wanted)
    assert "".join(message["external_id"] for message in answer.json()["items"]) == found


async def test_message_shows_its_other_versions_its_verdicts_and_tasks(client: httpx.AsyncClient, conn: Conn) -> None:
    await store(conn, 1)
    await persist(conn, [extracted("1", "please ship 2", "Ship it", kind=Kind.EDIT, revision=5)])
    [listed] = (await client.get("/api/messages")).json()["items"]
    shown = (await client.get(f"/api/messages/{listed['id']}")).json()
    assert (shown["text"], [version["text"] for version in shown["revisions"]]) == ("please ship 2", ["please ship 1"])
    assert len(shown["verdicts"]) == 2
    assert shown["verdict"] == listed["verdict"] == shown["verdicts"][-1]
    assert shown["tasks"] == [(await client.get("/api/tasks/1")).json()["id"]]


@pytest.mark.parametrize(("message", "status"), [("7", 404), ("0", 422), ("one", 422), (str(2**80), 422)])
async def test_message_that_is_not_there_is_not_shown(client: httpx.AsyncClient, message: str, status: int) -> None:
    problem(await client.get(f"/api/messages/{message}"), status)
