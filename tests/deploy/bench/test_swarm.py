"""The clients of ``bench live`` notice what is missing, doubled or late."""

import json
from time import time
from typing import Any

from deploy.bench.swarm import STAMP, Client, Swarm


def event(position: int, text: str = "hello") -> bytes:
    told = {"type": "event", "position": position, "event": {"data": {"text": text}}}
    return json.dumps(told, separators=(",", ":")).encode()


def framed(payload: bytes) -> bytes:
    length = len(payload)
    return bytes([0x81, length] if length < 126 else [0x81, 126, *length.to_bytes(2, "big")]) + payload


async def heard(*frames: bytes, by: int = 1_000_000) -> dict[str, Any]:
    """Let a client hear the frames, ``by`` bytes at a time, and report."""
    swarm = Swarm(1, "token")
    client = Client(swarm)
    hello = framed(b'{"type":"hello","epoch":"e","position":6}')
    stream = b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + hello + b"".join(map(framed, frames))
    for start in range(0, len(stream), by):
        client.data_received(stream[start : start + by])
    return await swarm.report()


async def test_whole_row_of_events_is_fine_however_it_is_cut() -> None:
    stamp = f"{STAMP.decode()}{time():.6f} " + "x" * 200
    for by in (1, 7, 1_000_000):
        report = await heard(event(7, stamp), event(8, stamp), event(9), by=by)
        assert (report["missed"], report["doubled"]) == (0, 0)
        # None is timed that was published before the client was there; the third does not say when it was.
        assert report["frames"] == 0


async def test_event_that_was_published_after_hello_is_timed() -> None:
    report = await heard(event(7, f"{STAMP.decode()}{time() + 60:.6f}"))
    assert report["frames"] == 1
    assert -61_000 < report["p50"] < -59_000


async def test_skipped_position_is_missed() -> None:
    assert (await heard(event(7), event(10)))["missed"] == 2


async def test_position_that_comes_again_is_doubled() -> None:
    assert (await heard(event(7), event(8), event(7), event(8)))["doubled"] == 2


async def test_resync_is_told() -> None:
    assert (await heard(b'{"type":"resync"}'))["resync"] == 1
