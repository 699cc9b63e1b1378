"""Burying: what cannot be used goes to the stream of dead letters, with its reason."""

import nats.errors
import nats.js.errors
from nats.aio.client import Client

from pipelines.carry import Delivery, Refusal
from schemas import subjects
from schemas.dead import dead_letter_id
from schemas.errors import Unavailable

SUBJECT, REASON = "Tasktracker-Subject", "Tasktracker-Reason"
"""Headers of a message on ``dead.>``: where its body, the original bytes, came from, and why it died."""

MAX_REASON = 500


async def bury(nc: Client, delivery: Delivery, refusal: Refusal) -> None:
    """Return when the dead letter is on NATS's disk; raises Unavailable. Twice the same is stored once."""
    headers = {
        "Nats-Msg-Id": str(dead_letter_id(delivery.subject, refusal.stage, delivery.body)),
        SUBJECT: delivery.subject,
        REASON: one_line(refusal.reason),
    }
    try:
        await nc.jetstream(timeout=5).publish(subjects.dead(refusal.stage), delivery.body, headers=headers)
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
        raise Unavailable(f"the dead letter was not confirmed: {error!r}") from error


def one_line(text: str) -> str:
    r"""Make a text fit for a header: printable ASCII, the rest escaped, bounded.

    >>> one_line("no\nsuch thing: \u0451")
    'no such thing: \\u0451'
    """
    return " ".join(text.split()).encode("ascii", "backslashreplace").decode()[:MAX_REASON]
