"""pipelines/burial.py: a dead letter is whole, fits on the wire, and is on the disk when bury returns."""

from collections.abc import AsyncIterator

import nats
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client

from deploy import streams
from pipelines.burial import HEADER_ROOM, MAX_REASON, REASON, SUBJECT, Letter, bury, letter, one_line
from schemas.dead import dead_letter_id
from schemas.errors import Unavailable


@pytest.fixture
async def admin(nats_url: str) -> AsyncIterator[Client]:
    nc = await nats.connect(nats_url)
    yield nc
    await nc.close()


def dead(body: bytes = b"\x00\xff not JSON", reason: str = "no raw message") -> Letter:
    return letter("raw.default.telegram.chat", body, stage="decode", reason=reason)


@given(st.text())
def test_reason_is_one_bounded_line_of_printable_ascii(text: str) -> None:
    line = one_line(text)
    assert line.isascii()
    assert line.isprintable()
    assert len(line) <= MAX_REASON


async def test_buried_letter_keeps_its_bytes_and_says_why(admin: Client) -> None:
    await bury(admin, dead(reason="немає\nавтора"))
    kept = await admin.jetstream().get_msg("DEAD", 1)
    assert (kept.subject, kept.data) == ("dead.decode", b"\x00\xff not JSON")
    assert kept.headers == {
        "Nats-Msg-Id": str(dead_letter_id("raw.default.telegram.chat", "decode", b"\x00\xff not JSON")),
        SUBJECT: "raw.default.telegram.chat",
        REASON: "\\u043d\\u0435\\u043c\\u0430\\u0454 \\u0430\\u0432\\u0442\\u043e\\u0440\\u0430",
    }


def test_dying_again_after_a_requeue_is_told_from_a_redelivery() -> None:
    first, redelivered, again = (
        letter("raw.default.telegram.chat", b"x", stage="persist", reason="no", sequence=sequence)
        for sequence in ("7", "7", "9")
    )
    assert first == redelivered
    assert first.headers["Nats-Msg-Id"] != again.headers["Nats-Msg-Id"]


async def test_same_letter_twice_is_kept_once(admin: Client) -> None:
    await bury(admin, dead())
    await bury(admin, dead(reason="said in other words"))
    await bury(admin, dead(b"another"))
    assert (await admin.jetstream().stream_info("DEAD")).state.messages == 2


async def test_body_that_fills_the_payload_limit_is_cut_and_says_so(admin: Client) -> None:
    limit = admin.max_payload
    await bury(admin, dead(b"x" * limit, reason="y" * MAX_REASON))
    kept = await admin.jetstream().get_msg("DEAD", 1)
    assert len(kept.data or b"") == limit - HEADER_ROOM
    assert (kept.headers or {})[REASON].startswith(f"{limit - HEADER_ROOM} of {limit} bytes kept; yyy")


async def test_body_just_below_the_limit_is_whole_beside_the_longest_headers(admin: Client) -> None:
    slug = "s" * 40
    body = b"x" * (admin.max_payload - HEADER_ROOM)
    await bury(admin, letter(f"bulk.{slug}.{slug}.{slug}", body, stage=slug, reason="y" * MAX_REASON))
    assert (await admin.jetstream().get_msg("DEAD", 1)).data == body


async def test_letter_that_is_not_confirmed_is_unavailable(admin: Client) -> None:
    await admin.jetstream().delete_stream("DEAD")
    with pytest.raises(Unavailable):
        await bury(admin, dead())
    await streams.declare(admin.jetstream())
    await bury(admin, dead())
