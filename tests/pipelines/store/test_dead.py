"""pipelines/store/dead.py: each death is counted once; what a person does about a letter is done, and told."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from pipelines.store import dead
from schemas.dead import DeadState, dead_letter_id
from schemas.errors import Conflict, NotFound
from tests.asking import Conn, rows, told
from tests.making import NOON, raw

BODY = b'{"text": "\xff"}'
SUBJECT = "raw.default.telegram.chat"
LETTER = dead_letter_id(SUBJECT, "normalize", BODY)
MENDED = raw().model_dump_json().encode()


async def bury(
    conn: Conn,
    seq: int,
    *,
    body: bytes = BODY,
    stage: str = "normalize",
    reason: str = "not UTF-8",
    at: datetime = NOON,
    subject: str = SUBJECT,
) -> UUID:
    letter = dead_letter_id(subject, stage, body)
    await dead.keep(conn, letter=letter, subject=subject, stage=stage, reason=reason, body=body, at=at, seq=seq)
    return letter


async def edit(conn: Conn, body: bytes = MENDED, *, version: int | None = None) -> None:
    async with conn.transaction():
        await dead.edit(conn, "default", LETTER, body, actor="owner", version=version)


async def send(conn: Conn, letter: UUID = LETTER) -> None:
    """Requeue a letter, as the api and then the lane would."""
    async with conn.transaction():
        wanted = await dead.requeue(conn, "default", letter, actor="owner")
    assert wanted.requeue is not None
    async with conn.transaction():
        held = await dead.asked(conn, "default", letter, wanted.requeue)
        assert held is not None
        await dead.went(conn, held)


async def letters(conn: Conn) -> int:
    return len(await rows(conn, "select from dead_letters"))


async def test_dead_letter_keeps_its_bytes_and_is_told_without_them(conn: Conn) -> None:
    await bury(conn, 7)
    found = await dead.get(conn, "default", LETTER)
    assert (found.body, found.stage, found.reason, found.tries) == (BODY, "normalize", "not UTF-8", 1)
    assert (found.first_at, found.last_at, found.requeued_at) == (NOON, NOON, None)
    [event] = await told(conn, "dead.")
    data = {"id": str(LETTER), "stage": "normalize", "reason": "not UTF-8", "subject": SUBJECT, "tries": 1}
    assert event["data"] == data


async def test_redelivery_of_a_burial_adds_nothing(conn: Conn) -> None:
    for _ in range(3):
        await bury(conn, 7)
    assert (await dead.get(conn, "default", LETTER)).tries == 1
    assert len(await told(conn, "dead.")) == 1


async def test_second_death_counts_and_waits_again(conn: Conn) -> None:
    await bury(conn, 7)
    await edit(conn)
    await send(conn)
    assert (await dead.get(conn, "default", LETTER)).state is DeadState.SENT
    await bury(conn, 9, body=MENDED, reason="still none", at=NOON + timedelta(hours=1))
    found = await dead.get(conn, "default", LETTER)
    assert (found.tries, found.reason, found.state, found.requeue) == (2, "still none", DeadState.WAITING, None)
    assert (found.first_at, found.last_at) == (NOON, NOON + timedelta(hours=1))
    await bury(conn, 7)
    assert (await dead.get(conn, "default", LETTER)).reason == "still none"


@pytest.mark.parametrize("stage", ["normalize", "persist"])
async def test_edited_letter_that_dies_again_is_the_same_letter_at_whatever_stage(conn: Conn, stage: str) -> None:
    await bury(conn, 7)
    await edit(conn)
    await send(conn)
    for _ in range(2):
        name = await bury(conn, 9, body=MENDED, stage=stage, reason="no such source")
    assert await letters(conn) == 1
    found = await dead.get(conn, "default", LETTER)
    assert (found.tries, found.stage, found.reason) == (2, stage, "no such source")
    assert (found.body, found.edited) == (BODY, MENDED)
    [*_, event] = await told(conn, "dead.buried")
    assert (event["data"]["id"], event["data"]["name"], event["data"]["tries"]) == (str(LETTER), str(name), 2)


async def test_same_bytes_that_nobody_sent_are_another_letter(conn: Conn) -> None:
    await bury(conn, 7)
    await edit(conn)
    await bury(conn, 9, body=MENDED, stage="persist")
    await bury(conn, 10, body=MENDED, stage="persist", subject="raw.default.telegram.other")
    assert await letters(conn) == 3


async def test_of_two_letters_with_the_same_bytes_the_one_that_was_sent_is_counted(conn: Conn) -> None:
    other = await bury(conn, 5, body=MENDED, stage="persist")
    await send(conn, other)
    await bury(conn, 6, body=MENDED, stage="persist")
    await bury(conn, 7)
    await edit(conn)
    await send(conn)
    await bury(conn, 9, body=MENDED, stage="persist")
    assert [(await dead.get(conn, "default", each)).tries for each in (other, LETTER)] == [2, 2]


async def test_death_that_is_noted_before_the_sending_is_no_letter_under_way(conn: Conn) -> None:
    await bury(conn, 7, body=MENDED)
    letter = dead_letter_id(SUBJECT, "normalize", MENDED)
    wanted = await dead.requeue(conn, "default", letter, actor="owner")
    assert wanted.requeue is not None
    await bury(conn, 9, body=MENDED)
    assert await dead.asked(conn, "default", letter, wanted.requeue) is None
    assert (await dead.get(conn, "default", letter)).state is DeadState.WAITING


async def test_edit_keeps_the_original_bytes_and_is_told_without_them(conn: Conn) -> None:
    await bury(conn, 7)
    await edit(conn, version=1)
    found = await dead.get(conn, "default", LETTER)
    assert (found.body, found.edited, found.present, found.version) == (BODY, MENDED, MENDED, 2)
    assert found.edited_at is not None
    [event] = await told(conn, "dead.edited")
    assert event["actor"] == "owner"
    assert event["data"] == {
        "id": str(LETTER),
        "stage": "normalize",
        "reason": "not UTF-8",
        "subject": SUBJECT,
        "bytes": len(MENDED),
        "version": 2,
    }


async def test_edit_of_another_version_changes_nothing(conn: Conn) -> None:
    await bury(conn, 7)
    await edit(conn)
    with pytest.raises(Conflict, match="at version 2 now, not 1"):
        await edit(conn, b"late", version=1)
    assert (await dead.get(conn, "default", LETTER)).edited == MENDED


async def test_same_bytes_again_are_no_edit_and_the_original_ones_take_it_back(conn: Conn) -> None:
    await bury(conn, 7)
    await edit(conn, BODY)
    assert (await dead.get(conn, "default", LETTER)).version == 1
    await edit(conn)
    await edit(conn, BODY)
    found = await dead.get(conn, "default", LETTER)
    assert (found.edited, found.present, found.version) == (None, BODY, 3)
    assert len(await told(conn, "dead.edited")) == 2


async def test_edit_takes_back_a_requeue_that_has_not_gone(conn: Conn) -> None:
    await bury(conn, 7)
    await edit(conn)
    wanted = await dead.requeue(conn, "default", LETTER, actor="owner")
    assert wanted.requeue is not None
    assert wanted.state is DeadState.ASKED
    await edit(conn, MENDED + b" ")
    assert (await dead.get(conn, "default", LETTER)).state is DeadState.WAITING
    assert await dead.asked(conn, "default", LETTER, wanted.requeue) is None


async def test_letter_is_sent_by_its_last_wish_alone_and_once(conn: Conn) -> None:
    await bury(conn, 7)
    await edit(conn)
    wishes = [(await dead.requeue(conn, "default", LETTER, actor="owner")).requeue for _ in range(2)]
    assert None not in wishes
    first, last = (wish or UUID(int=0) for wish in wishes)
    assert await dead.asked(conn, "default", LETTER, first) is None
    held = await dead.asked(conn, "default", LETTER, last)
    assert held is not None
    await dead.went(conn, held)
    assert await dead.asked(conn, "default", LETTER, last) is None
    requeued = [event["data"]["requeue"] for event in await told(conn, "dead.requeued")]
    assert requeued == [str(first), str(last)]
    assert [event["data"]["requeue"] for event in await told(conn, "dead.sent")] == [str(last)]


async def test_letter_that_would_die_again_is_not_asked_for(conn: Conn) -> None:
    await bury(conn, 7)
    with pytest.raises(Conflict, match=r"it would die again .*edit it first"):
        await dead.requeue(conn, "default", LETTER, actor="owner")
    assert (await dead.get(conn, "default", LETTER)).state is DeadState.WAITING
    assert await told(conn, "dead.requeued") == []


async def test_dropped_letter_is_gone_and_told(conn: Conn) -> None:
    await bury(conn, 7)
    await dead.drop(conn, "default", LETTER, actor="owner")
    assert await letters(conn) == 0
    with pytest.raises(NotFound):
        await dead.drop(conn, "default", LETTER, actor="owner")
    assert await dead.asked(conn, "default", LETTER, uuid4()) is None
    [event] = await told(conn, "dead.dropped")
    assert (event["actor"], event["data"]["id"], event["data"]["state"]) == ("owner", str(LETTER), "waiting")


@pytest.mark.parametrize(("workspace", "letter"), [("other", LETTER), ("default", uuid4())])
async def test_letter_of_another_workspace_is_not_found(conn: Conn, workspace: str, letter: UUID) -> None:
    await bury(conn, 7)
    with pytest.raises(NotFound):
        await dead.get(conn, workspace, letter)
    with pytest.raises(NotFound):
        await dead.drop(conn, workspace, letter, actor="owner")
    with pytest.raises(NotFound):
        await dead.requeue(conn, workspace, letter, actor="owner")
    with pytest.raises(NotFound):
        await dead.edit(conn, workspace, letter, MENDED, actor="owner", version=None)
