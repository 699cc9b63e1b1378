"""api/routes/dead.py: what could not be used is shown, edited, requeued and dropped; once, and told."""

import json
from base64 import b64decode, b64encode
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from pipelines.store import dead
from schemas.dead import MAX_BYTES, dead_letter_id
from tests.asking import Conn, told
from tests.making import NOON, raw
from tests.problems import problem

SUBJECT = "raw.default.telegram.chat"
WHOLE = raw().model_dump_json()


async def bury(
    conn: Conn, number: int, body: bytes | None = None, *, stage: str = "normalize", reason: str = "bad"
) -> UUID:
    body = body if body is not None else f"letter {number}".encode()
    letter = dead_letter_id(SUBJECT, stage, body)
    # Two of each moment, so that pages end between equals, too.
    at = NOON + timedelta(microseconds=number // 2)
    await dead.keep(conn, letter=letter, subject=SUBJECT, stage=stage, reason=reason, body=body, at=at, seq=number)
    return letter


async def bury_whole(conn: Conn, number: int, *, stage: str = "persist", cause: str = "no such source") -> UUID:
    """Bury a message that could go round again."""
    message = raw(str(number))
    body = message.model_dump_json().encode()
    return await bury(conn, number, body, stage=stage, reason=f"{message.key}: {cause}")


async def edit(client: httpx.AsyncClient, letter: UUID, *, version: str | None = '"1"', **body: Any) -> httpx.Response:
    headers = {"If-Match": version} if version is not None else {}
    return await client.patch(f"/api/dead/{letter}", json=body, headers=headers)


async def states(client: httpx.AsyncClient) -> dict[str, str]:
    items = (await client.get("/api/dead", params={"limit": 200})).json()["items"]
    return {item["id"]: item["state"] for item in items}


async def test_dead_letter_shows_its_text(client: httpx.AsyncClient, conn: Conn) -> None:
    letter = await bury(conn, 7, '{"text": "Привіт"}'.encode())
    shown = (await client.get(f"/api/dead/{letter}")).json()
    assert (shown["text"], shown["reason"], shown["tries"]) == ('{"text": "Привіт"}', "bad", 1)
    assert 'route="/api/dead/{letter}",status="200"' in (await client.get("/metrics")).text
    [listed] = (await client.get("/api/dead")).json()["items"]
    assert (listed["bytes"], "text" in listed) == (len('{"text": "Привіт"}'.encode()), False)


@pytest.mark.parametrize("body", [b"\xff\x00\xfe", b"", b"a\x00b", b"\xed\xa0\x80"])
async def test_dead_letter_is_shown_whatever_its_bytes_are(client: httpx.AsyncClient, conn: Conn, body: bytes) -> None:
    letter = await bury(conn, 7, body)
    shown = (await client.get(f"/api/dead/{letter}")).json()
    assert (shown["text"].encode() if "text" in shown else b64decode(shown["base64"])) == body


async def test_pages_show_every_letter_once_while_others_die(client: httpx.AsyncClient, conn: Conn) -> None:
    before = {str(await bury(conn, number)) for number in range(7)}
    seen: list[str] = []
    times: list[datetime] = []
    wanted: dict[str, Any] = {"limit": 3}
    for arriving in (100, 101, 102):
        page = (await client.get("/api/dead", params=wanted)).json()
        seen += [letter["id"] for letter in page["items"]]
        times += [datetime.fromisoformat(letter["last_at"]) for letter in page["items"]]
        await bury(conn, arriving)
        wanted["cursor"] = page["next_cursor"]
    assert wanted["cursor"] is None
    assert (len(seen), set(seen), times) == (7, before, sorted(times, reverse=True))


async def test_letter_that_is_not_there_is_not_shown(client: httpx.AsyncClient) -> None:
    problem(await client.get(f"/api/dead/{uuid4()}"), 404)
    problem(await client.get("/api/dead/7"), 404)
    problem(await client.patch("/api/dead/summary", json={"text": "a"}), 405)


@pytest.mark.parametrize("cursor", ["x", "Wzdd", "WyJhIiwiYiJd", "WyJhIl0"])
async def test_cursor_that_we_did_not_write_is_refused(client: httpx.AsyncClient, cursor: str) -> None:
    problem(await client.get("/api/dead", params={"cursor": cursor}), 422)


async def test_list_and_summary_are_narrowed_by_stage_reason_and_state(client: httpx.AsyncClient, conn: Conn) -> None:
    lost = [str(await bury_whole(conn, number)) for number in range(1, 4)]
    await bury_whole(conn, 4, cause="too long")
    await bury(conn, 5)
    await client.post(f"/api/dead/{lost[0]}/requeue")
    for wanted, found in (
        ({"stage": "persist"}, 4),
        ({"reason": "no such source"}, 3),
        ({"reason": "default/chat/2: no such source"}, 1),
        ({"stage": "persist", "reason": "no such source", "state": "waiting"}, 2),
        ({"stage": "normalize", "reason": "no such source"}, 0),
        ({"state": "sent"}, 0),
    ):
        assert len((await client.get("/api/dead", params=wanted)).json()["items"]) == found, wanted
        counted = (await client.get("/api/dead/summary", params=wanted)).json()["items"]
        assert sum(kind["letters"] for kind in counted) == found, wanted
    kinds = (await client.get("/api/dead/summary")).json()["items"]
    assert [(kind["stage"], kind["reason"], kind["waiting"], kind["asked"], kind["sent"]) for kind in kinds] == [
        ("persist", "no such source", 2, 1, 0),
        ("normalize", "bad", 1, 0, 0),
        ("persist", "too long", 1, 0, 0),
    ]
    problem(await client.get("/api/dead", params={"state": "mislaid"}), 422)
    problem(await client.get("/api/dead/summary", params={"unknown": "x"}), 422)


async def test_edited_letter_shows_both_bytes_and_what_is_wrong_with_them(
    client: httpx.AsyncClient, conn: Conn
) -> None:
    letter = await bury(conn, 7, b"\xff garbage")
    before = await client.get(f"/api/dead/{letter}")
    assert (before.headers["etag"], before.json()["edited"]) == ('"1"', None)
    assert "edit it first" in before.json()["unfit"]
    answer = await edit(client, letter, text=WHOLE)
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    shown = (await client.get(f"/api/dead/{letter}")).json()
    assert shown == answer.json()
    assert (b64decode(shown["base64"]), shown["edited"]) == (b"\xff garbage", {"text": WHOLE})
    assert (shown["unfit"], shown["version"], shown["bytes"]) == (None, 2, len(WHOLE))
    again = await edit(client, letter, version='"2"', base64=b64encode(b"\xfe").decode())
    assert again.json()["edited"] == {"base64": b64encode(b"\xfe").decode()}
    assert len(await told(conn, "dead.edited")) == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "give either text or base64"),
        ({"text": "a", "base64": "YQ=="}, "give either text or base64"),
        ({"base64": "%%"}, "base64: is none"),
        ({"base64": "a"}, "base64: is none"),
        ({"text": "\ud800"}, "unable to parse raw data as a unicode string"),
        ({"text": "й" * (MAX_BYTES // 2 + 1)}, "bytes at most"),
        ({"text": "a", "stage": "persist"}, "body.stage"),
    ],
)
async def test_bytes_that_cannot_be_taken_are_refused_with_the_reason(
    client: httpx.AsyncClient, conn: Conn, body: dict[str, str], said: str
) -> None:
    letter = await bury(conn, 7)
    assert said in problem(
        await client.patch(
            f"/api/dead/{letter}",
            content=json.dumps(body).encode(),
            headers={"If-Match": "*", "Content-Type": "application/json"},
        ),
        422,
    )
    assert (await client.get(f"/api/dead/{letter}")).json()["version"] == 1


async def test_edit_must_say_which_version_it_saw(client: httpx.AsyncClient, conn: Conn) -> None:
    letter = await bury(conn, 7)
    problem(await edit(client, letter, version=None, text="a"), 428)
    assert (await edit(client, letter, text="a")).status_code == 200
    assert "at version 2 now" in problem(await edit(client, letter, text="b"), 412)
    assert (await edit(client, letter, version="*", text="b")).status_code == 200
    problem(await edit(client, uuid4(), text="b"), 404)


async def test_requeue_marks_the_letter_and_tells_it(client: httpx.AsyncClient, conn: Conn) -> None:
    letter = await bury_whole(conn, 7)
    answer = await client.post(f"/api/dead/{letter}/requeue")
    assert (answer.status_code, answer.headers["etag"]) == (202, '"2"')
    assert (answer.json()["state"], answer.json()["requeued_at"]) == ("asked", None)
    [event] = await told(conn, "dead.requeued")
    assert (event["actor"], event["data"]["id"], event["data"]["edited"]) == ("owner", str(letter), False)
    problem(await client.post(f"/api/dead/{uuid4()}/requeue"), 404)


async def test_letter_that_would_die_again_is_refused_until_it_is_edited(client: httpx.AsyncClient, conn: Conn) -> None:
    letter = await bury(conn, 7, b"secret garbage")
    said = problem(await client.post(f"/api/dead/{letter}/requeue"), 409)
    assert said.startswith("it would die again")
    assert said.endswith("edit it first")
    assert "secret" not in said
    assert await told(conn, "dead.requeued") == []
    await edit(client, letter, text=WHOLE)
    assert (await client.post(f"/api/dead/{letter}/requeue")).status_code == 202


async def test_many_are_requeued_by_their_reason_and_counted(client: httpx.AsyncClient, conn: Conn) -> None:
    meant = [str(await bury_whole(conn, number)) for number in range(1, 6)]
    await bury(conn, 8, b"garbage", stage="persist", reason="no such source")
    other = str(await bury_whole(conn, 9, cause="too long"))
    asked = {"stage": "persist", "reason": "no such source", "limit": 4}
    first = await client.post("/api/dead/requeue", json=asked)
    assert first.status_code == 202
    assert (first.json()["asked"], first.json()["refused"]) == (4, 0)
    rest = await client.post("/api/dead/requeue", json=asked | {"cursor": first.json()["next_cursor"]})
    assert rest.json() == {"asked": 1, "refused": 1, "next_cursor": None}
    found = await states(client)
    assert [found[letter] for letter in (*meant, other)] == ["asked"] * 5 + ["waiting"]
    assert len(await told(conn, "dead.requeued")) == 5


async def test_many_are_dropped_by_their_reason_and_counted(client: httpx.AsyncClient, conn: Conn) -> None:
    for number in range(1, 6):
        await bury_whole(conn, number)
    other = str(await bury_whole(conn, 9, cause="too long"))
    answers = [(await client.post("/api/dead/drop", json={"reason": "no such source", "limit": 4})) for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"dropped": 4, "left": 1}, {"dropped": 1, "left": 0}]
    assert set(await states(client)) == {other}
    assert len(await told(conn, "dead.dropped")) == 5


@pytest.mark.parametrize("route", ["requeue", "drop"])
@pytest.mark.parametrize("body", [{}, {"limit": 5}, {"stage": "persist", "limit": 1_001}, {"stage": "", "limit": 1}])
async def test_many_must_be_narrowed_and_bounded(
    client: httpx.AsyncClient, conn: Conn, route: str, body: dict[str, Any]
) -> None:
    letter = str(await bury_whole(conn, 1))
    problem(await client.post(f"/api/dead/{route}", json=body), 422)
    assert await states(client) == {letter: "waiting"}


async def test_dropped_letter_is_gone_and_told(client: httpx.AsyncClient, conn: Conn) -> None:
    letter = await bury(conn, 7)
    answer = await client.delete(f"/api/dead/{letter}")
    assert (answer.status_code, answer.content) == (204, b"")
    problem(await client.get(f"/api/dead/{letter}"), 404)
    problem(await client.delete(f"/api/dead/{letter}"), 404)
    assert len(await told(conn, "dead.dropped")) == 1


async def test_request_with_a_key_is_done_once_and_answered_alike(client: httpx.AsyncClient, conn: Conn) -> None:
    requeued, dropped = await bury_whole(conn, 1), await bury_whole(conn, 2)
    await bury_whole(conn, 3, stage="extract")
    requests: list[tuple[str, str, Any]] = [
        ("POST", f"/api/dead/{requeued}/requeue", None),
        ("DELETE", f"/api/dead/{dropped}", None),
        ("POST", "/api/dead/requeue", {"stage": "extract"}),
        ("POST", "/api/dead/drop", {"stage": "extract"}),
    ]
    for place, (method, path, body) in enumerate(requests):
        headers = {"Idempotency-Key": f"k{place}"}
        answers = [await client.request(method, path, json=body, headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [answers[0].status_code] * 2
        assert answers[0].is_success
        assert answers[0].content == answers[1].content
    assert (len(await told(conn, "dead.requeued")), len(await told(conn, "dead.dropped"))) == (2, 2)
    problem(await client.post("/api/dead/drop", json={"stage": "persist"}, headers={"Idempotency-Key": "k3"}), 409)


async def test_change_that_cannot_be_told_is_not_made(
    client: httpx.AsyncClient, conn: Conn, postgres_urls: dict[str, str]
) -> None:
    letter = await bury_whole(conn, 1)
    before = (await client.get(f"/api/dead/{letter}")).json()
    async with await psycopg.AsyncConnection.connect(postgres_urls["migrate"], autocommit=True) as owner:
        await owner.execute("alter table events add constraint quiet check (type = 'dead.buried')")
        problem(await edit(client, letter, text="x"), 500)
        problem(await client.post(f"/api/dead/{letter}/requeue"), 500)
        problem(await client.post("/api/dead/requeue", json={"stage": "persist"}), 500)
        problem(await client.post("/api/dead/drop", json={"stage": "persist"}), 500)
        problem(await client.delete(f"/api/dead/{letter}"), 500)
    assert (await client.get(f"/api/dead/{letter}")).json() == before
