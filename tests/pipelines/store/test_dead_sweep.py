"""pipelines/store/dead_sweep.py: many letters by stage, reason and state; bounded, and each one told."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from pipelines.store import dead, dead_sweep
from schemas.dead import DeadLike, DeadState, dead_letter_id
from tests.asking import Conn, rows, told
from tests.making import NOON, raw

SUBJECT = "raw.default.telegram.chat"
CAUSE = "no source chat of channel telegram"


async def bury(
    conn: Conn, number: int, *, body: bytes | None = None, stage: str = "persist", reason: str | None = None
) -> UUID:
    """Bury the message of that number; its reason begins with its key, as those of the flow do."""
    message = raw(f"t:{number}")
    body = body if body is not None else message.model_dump_json().encode()
    letter = dead_letter_id(SUBJECT, stage, body)
    why = reason or f"{message.key}: {CAUSE}"
    at = NOON + timedelta(seconds=number // 2)  # two of each moment
    await dead.keep(conn, letter=letter, subject=SUBJECT, stage=stage, reason=why, body=body, at=at, seq=number)
    return letter


async def requeue(conn: Conn, *, limit: int = 1_000, behind: Any = None, **like: Any) -> dead_sweep.Requeued:
    async with conn.transaction():
        return await dead_sweep.requeue(conn, "default", DeadLike(**like), behind=behind, limit=limit, actor="owner")


async def drop(conn: Conn, *, limit: int = 1_000, **like: Any) -> dead_sweep.Dropped:
    async with conn.transaction():
        return await dead_sweep.drop(conn, "default", DeadLike(**like), limit=limit, actor="owner")


async def states(conn: Conn) -> dict[UUID, str]:
    return {row["id"]: row["state"] for row in await rows(conn, "select id, state from dead_letters")}


async def test_those_that_died_of_the_same_are_one_kind_whatever_message_the_reason_names(conn: Conn) -> None:
    meant = {await bury(conn, number) for number in range(1, 4)}
    await bury(conn, 7, reason="something else")
    assert await requeue(conn, reason=CAUSE) == (3, 0, None)
    assert {letter for letter, state in (await states(conn)).items() if state == "asked"} == meant
    assert {UUID(event["data"]["id"]) for event in await told(conn, "dead.requeued")} == meant


async def test_whole_reason_means_its_own_letter(conn: Conn) -> None:
    await bury(conn, 1)
    await bury(conn, 2)
    assert await requeue(conn, reason=f"default/chat/t:1: {CAUSE}") == (1, 0, None)


async def test_stage_and_reason_both_must_be_as_said(conn: Conn) -> None:
    await bury(conn, 1)
    await bury(conn, 2, stage="extract")
    await bury(conn, 3, reason="something else")
    assert await requeue(conn, stage="persist", reason=CAUSE) == (1, 0, None)
    assert (await requeue(conn, stage="persist")).asked == 1


async def test_letter_that_would_die_again_is_counted_and_left(conn: Conn) -> None:
    fit, unfit = await bury(conn, 1), await bury(conn, 2, body=b"garbage")
    assert await requeue(conn, stage="persist") == (1, 1, None)
    assert await states(conn) == {fit: "asked", unfit: "waiting"}


async def test_letter_that_is_asked_for_or_went_is_not_asked_for_again(conn: Conn) -> None:
    await bury(conn, 1)
    await requeue(conn, stage="persist")
    assert await requeue(conn, stage="persist") == (0, 0, None)
    await conn.execute("update dead_letters set requeued_at = now()")
    assert await requeue(conn, stage="persist") == (0, 0, None)


async def test_bounded_calls_come_to_every_letter_also_behind_many_that_are_unfit(conn: Conn) -> None:
    for number in range(1, 50):
        await bury(conn, number, body=f"garbage {number}".encode() if number < 30 else None)
    asked = refused = calls = 0
    behind = None
    while calls == 0 or behind is not None:
        done = await requeue(conn, stage="persist", limit=10, behind=behind)
        asked, refused, behind, calls = asked + done.asked, refused + done.refused, done.end, calls + 1
    assert (asked, refused, calls) == (20, 29, 5)
    assert len(await told(conn, "dead.requeued")) == 20


async def test_dropped_are_those_that_are_meant_and_each_is_told(conn: Conn) -> None:
    kept = await bury(conn, 9, reason="something else")
    gone = {await bury(conn, number) for number in range(1, 6)}
    assert await drop(conn, reason=CAUSE, limit=3) == (3, 2)
    assert await drop(conn, reason=CAUSE) == (2, 0)
    assert set(await states(conn)) == {kept}
    assert {UUID(event["data"]["id"]) for event in await told(conn, "dead.dropped")} == gone


async def test_only_those_of_a_state_can_be_dropped(conn: Conn) -> None:
    waiting, sent = await bury(conn, 1), await bury(conn, 2)
    await conn.execute("update dead_letters set requeued_at = now() where id = %s", [sent])
    assert await drop(conn, stage="persist", state=DeadState.SENT) == (1, 0)
    assert set(await states(conn)) == {waiting}


async def test_letters_are_forgotten_by_their_age_and_told(conn: Conn) -> None:
    old, sent, young, touched = [await bury(conn, number) for number in range(1, 5)]
    await conn.execute("update dead_letters set last_at = now() - interval '91 days'")
    await conn.execute("update dead_letters set last_at = now() - interval '89 days' where id = %s", [young])
    await conn.execute("update dead_letters set edited_at = now() where id = %s", [touched])
    await conn.execute("update dead_letters set requeued_at = last_at where id = %s", [sent])
    assert await dead_sweep.forget(conn, days=90) == {DeadState.WAITING: 1, DeadState.SENT: 1}
    assert set(await states(conn)) == {young, touched}
    assert {event["data"]["id"]: event["actor"] for event in await told(conn, "dead.dropped")} == {
        str(old): "retention",
        str(sent): "retention",
    }
    assert await dead_sweep.forget(conn, days=90) == {}


async def test_forgetting_is_bounded(conn: Conn) -> None:
    for number in range(1, 6):
        await bury(conn, number)
    await conn.execute("update dead_letters set last_at = now() - interval '91 days'")
    counts = [sum((await dead_sweep.forget(conn, days=90, limit=2)).values()) for _ in range(4)]
    assert counts == [2, 2, 1, 0]


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("default/chat/1: no author", "no author"),
        ("default/chat/C1:17.4: no source chat: none", "no source chat: none"),
        ("default/chat/<a b@c>: no author", "no author"),
        ("no raw message: sent_at: missing", "no raw message: sent_at: missing"),
        ("https://a/b/c: unreachable", "https://a/b/c: unreachable"),
    ],
)
async def test_cause_is_the_reason_without_the_key_of_its_message(conn: Conn, reason: str, cause: str) -> None:
    await bury(conn, 1, reason=reason)
    [row] = await rows(conn, "select cause from dead_letters")
    assert row["cause"] == cause
