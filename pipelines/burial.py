"""Burying: what cannot be used goes to the stream of dead letters, with its reason."""

from typing import NamedTuple

import nats.errors
import nats.js.errors
from nats.aio.client import Client

from schemas import subjects
from schemas.dead import dead_letter_id
from schemas.errors import Unavailable

SUBJECT, REASON = "Tasktracker-Subject", "Tasktracker-Reason"
"""Headers of a message on ``dead.>``: where its body, the original bytes, came from, and why it died."""

MAX_REASON = 500
HEADER_ROOM = 1_024
"""Bytes of a message's payload limit that are left to its headers."""


class Letter(NamedTuple):
    """A dead letter as it is published; twice the same is stored once."""

    subject: str
    body: bytes
    headers: dict[str, str]


def letter(subject: str, body: bytes, *, stage: str, reason: str, sequence: str = "") -> Letter:
    """Write the dead letter of a message that came on ``subject``.

    ``sequence``, its place in its stream, tells a message that was sent round again, and died again, from a redelivery.
    """
    name = str(dead_letter_id(subject, stage, body))
    headers = {
        "Nats-Msg-Id": f"{name}.{sequence}" if sequence else name,
        SUBJECT: subject,
        REASON: one_line(reason),
    }
    return Letter(subjects.dead(stage), body, headers)


async def bury(nc: Client, dead: Letter) -> None:
    """Return when the dead letter is on NATS's disk; raises Unavailable.

    A body that fills the payload limit leaves no room for the reason: its end is cut off, and the reason says so.
    """
    dead = _fit(dead, nc.max_payload - HEADER_ROOM)
    try:
        await nc.jetstream(timeout=5).publish(dead.subject, dead.body, headers=dead.headers)
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
        raise Unavailable(f"the dead letter was not confirmed: {error!r}") from error


def _fit(dead: Letter, room: int) -> Letter:
    if len(dead.body) <= room:
        return dead
    reason = one_line(f"{room} of {len(dead.body)} bytes kept; {dead.headers[REASON]}")
    return Letter(dead.subject, dead.body[:room], dead.headers | {REASON: reason})


def one_line(text: str) -> str:
    r"""Make a text fit for a header: printable ASCII, the rest escaped, bounded.

    >>> one_line("no\nsuch thing: \u0451")
    'no such thing: \\u0451'
    """
    return " ".join(text.split()).encode("unicode_escape").decode("ascii")[:MAX_REASON]
