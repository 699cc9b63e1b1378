"""pipelines/store/dead.py: each death is counted once, and told."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from pipelines.store import dead
from schemas.dead import dead_letter_id
from schemas.errors import NotFound
from tests.asking import Conn, rows, told
from tests.making import NOON

BODY = b'{"text": "\xff"}'
SUBJECT = "raw.default.webhook.ci"
LETTER = dead_letter_id(SUBJECT, "normalize", BODY)


async def bury(conn: Conn, seq: int, *, reason: str = "not UTF-8", at: datetime = NOON) -> None:
    await dead.keep(conn, letter=LETTER, subject=SUBJECT, stage="normalize", reason=reason, body=BODY, at=at, seq=seq)


async def test_dead_letter_keeps_its_bytes_and_is_told_without_them(conn: Conn) -> None:
    await bury(conn, 7)
    found = await dead.get(conn, "default", LETTER)
    assert (found.body, found.stage, found.reason, found.tries) == (BODY, "normalize", "not UTF-8", 1)
    assert (found.first_at, found.last_at, found.requeued_at) == (NOON, NOON, None)
    [event] = await told(conn, "dead.")
    assert event["data"] == {"id": str(LETTER), "stage": "normalize", "reason": "not UTF-8", "subject": SUBJECT}


async def test_redelivery_of_a_burial_adds_nothing(conn: Conn) -> None:
    for _ in range(3):
        await bury(conn, 7)
    assert (await dead.get(conn, "default", LETTER)).tries == 1
    assert len(await told(conn, "dead.")) == 1


async def test_second_death_counts_and_is_no_longer_under_way(conn: Conn) -> None:
    await bury(conn, 7)
    await dead.requeued(conn, LETTER)
    assert (await dead.get(conn, "default", LETTER)).requeued_at is not None
    await bury(conn, 9, reason="still not UTF-8", at=NOON + timedelta(hours=1))
    found = await dead.get(conn, "default", LETTER)
    assert (found.tries, found.reason, found.requeued_at) == (2, "still not UTF-8", None)
    assert (found.first_at, found.last_at) == (NOON, NOON + timedelta(hours=1))
    assert len(await told(conn, "dead.")) == 2
    await bury(conn, 7)
    assert (await dead.get(conn, "default", LETTER)).reason == "still not UTF-8"


async def test_dropped_letter_is_gone(conn: Conn) -> None:
    await bury(conn, 7)
    await dead.drop(conn, "default", LETTER)
    assert not await rows(conn, "select from dead_letters")
    with pytest.raises(NotFound):
        await dead.drop(conn, "default", LETTER)


@pytest.mark.parametrize(("workspace", "letter"), [("other", LETTER), ("default", uuid4())])
async def test_letter_of_another_workspace_is_not_found(conn: Conn, workspace: str, letter: UUID) -> None:
    await bury(conn, 7)
    with pytest.raises(NotFound):
        await dead.get(conn, workspace, letter)
    with pytest.raises(NotFound):
        await dead.drop(conn, workspace, letter)
