"""What a stream keeps, read in batches and without a consumer."""

import json
from collections.abc import AsyncIterator
from typing import NamedTuple

from nats.aio.client import Client
from nats.aio.msg import Msg

from schemas.errors import Unavailable
from schemas.subjects import Stream

BATCH = 500
_BATCH_BYTES = 8 * 1024 * 1024
_SECONDS = 5.0


class Kept(NamedTuple):
    """A message of a stream with its place there."""

    sequence: int
    subject: str
    body: bytes


async def kept(nc: Client, stream: Stream, *, first: int = 1) -> AsyncIterator[list[Kept]]:
    """Read what a stream keeps from a sequence on, in order, a batch at a time; raises Unavailable.

    Source: NATS ADR-31, batched direct get; the stream needs ``allow_direct``.
    """
    while batch := await _batch(nc, stream, first):
        yield batch
        first = batch[-1].sequence + 1


async def _batch(nc: Client, stream: Stream, first: int) -> list[Kept]:
    inbox = nc.new_inbox()
    answers = await nc.subscribe(inbox)
    found: list[Kept] = []
    try:
        request = json.dumps({"seq": first, "batch": BATCH, "max_bytes": _BATCH_BYTES}).encode()
        await nc.publish(f"$JS.API.DIRECT.GET.{stream}", request, reply=inbox)
        while not _ends(answer := await answers.next_msg(timeout=_SECONDS)):
            headers = answer.headers or {}
            found.append(Kept(int(headers["Nats-Sequence"]), headers["Nats-Subject"], answer.data))
    except TimeoutError as error:
        raise Unavailable(f"NATS does not show what {stream} keeps") from error
    finally:
        await answers.unsubscribe()
    return found


def _ends(answer: Msg) -> bool:
    """Say whether an answer is the end of a batch (204) or of the stream (404)."""
    status = (answer.headers or {}).get("Status")
    if status not in (None, "204", "404"):
        raise Unavailable(f"NATS refuses to show a stream: {status} {(answer.headers or {}).get('Description', '')}")
    return status is not None
