"""Roads back: where a dead letter came from, and whether it would be read there now."""

from pipelines.carry import Delivery, decode
from pipelines.store import commands
from schemas.dead import MAX_BYTES
from schemas.errors import Rejected
from schemas.subjects import Stream

_ROADS = {("raw", 4): Stream.RAW, ("bulk", 4): Stream.RAW, ("commands", 3): Stream.COMMANDS}
"""By the first of a subject's parts, and how many there are."""


def road(subject: str) -> Stream | None:
    """Tell to which stream a letter goes back; None: to none.

    >>> road("bulk.acme.files.export"), road("commands.acme.telegram"), road("dead.by-hand")
    (<Stream.RAW: 'RAW'>, <Stream.COMMANDS: 'COMMANDS'>, None)
    """
    parts = subject.split(".")
    return _ROADS.get((parts[0], len(parts)))


def why_not(subject: str, body: bytes) -> str | None:
    """Say why bytes cannot go back on a subject; None when they can. What they hold is not repeated."""
    stream = road(subject)
    if stream is None:
        return f"nothing is sent back to {subject}: this letter can only be dropped"
    if len(body) > MAX_BYTES:
        return f"{len(body):,} bytes, of which {MAX_BYTES:,} can be sent: edit it first"
    try:
        if stream is Stream.RAW:
            decode([Delivery("", subject, body)])
        else:
            commands.read(subject, body)
    except Rejected as error:
        return f"it would die again ({error.reason}): edit it first"
    return None
