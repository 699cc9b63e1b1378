"""The demo's conversation: two days of a team of eight and three customers, around an outage and a release."""

import json
from datetime import UTC, datetime
from importlib.resources import files

from schemas.messages import MessageLine, Origin, RawMessage


def messages(now: datetime | None = None) -> list[RawMessage]:
    """List the conversation in the order in which it happened, as live messages of the workspace ``default``.

    ``now`` is only the time of receipt (None: the clock's); what was said on a Thursday keeps its Thursday, so that
    "by Friday" means the same Friday whenever the demo is played. An edit or a deletion carries the ``sent_at`` of
    the message that it changes, as the platforms do; its ``revision`` says when, in seconds since 1970.
    """
    received_at = now or datetime.now(UTC)
    text = files("deploy.demo").joinpath("conversation.jsonl").read_text(encoding="utf-8")
    return [_raw(line, received_at) for line in text.splitlines()]


def _raw(line: str, received_at: datetime) -> RawMessage:
    """Read a line of the import format that also names its ``channel`` and ``author_name``."""
    fields: dict[str, str] = json.loads(line)
    channel, author_name = fields.pop("channel"), fields.pop("author_name")
    raw = MessageLine.model_validate(fields).to_raw(
        workspace="default", channel=channel, origin=Origin.LIVE, received_at=received_at
    )
    return raw.model_copy(update={"author_name": author_name})
