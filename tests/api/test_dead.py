"""api/routes/dead.py: what could not be used is shown with its bytes and its reason."""

from base64 import b64decode
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from pipelines.store import dead
from schemas.dead import dead_letter_id
from tests.asking import Conn
from tests.making import NOON
from tests.problems import problem

SUBJECT = "raw.default.webhook.ci"


async def bury(conn: Conn, number: int, body: bytes | None = None) -> UUID:
    body = body if body is not None else f"letter {number}".encode()
    letter = dead_letter_id(SUBJECT, "normalize", body)
    # Two of each moment, so that pages end between equals, too.
    at = NOON + timedelta(microseconds=number // 2)
    await dead.keep(conn, letter=letter, subject=SUBJECT, stage="normalize", reason="bad", body=body, at=at, seq=number)
    return letter


async def test_dead_letter_shows_its_text(client: httpx.AsyncClient, conn: Conn) -> None:
    letter = await bury(conn, 7, '{"text": "Привіт"}'.encode())
    shown = (await client.get(f"/api/dead/{letter}")).json()
    assert (shown["text"], shown["reason"], shown["tries"]) == ('{"text": "Привіт"}', "bad", 1)
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
    problem(await client.get("/api/dead/7"), 422)


@pytest.mark.parametrize("cursor", ["x", "Wzdd", "WyJhIiwiYiJd", "WyJhIl0"])
async def test_cursor_that_we_did_not_write_is_refused(client: httpx.AsyncClient, cursor: str) -> None:
    problem(await client.get("/api/dead", params={"cursor": cursor}), 422)
