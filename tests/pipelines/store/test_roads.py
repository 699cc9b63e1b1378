"""pipelines/store/roads.py: what may go back, and a sentence for what may not."""

import json
from uuid import UUID

import pytest

from pipelines.store.roads import why_not
from schemas.dead import MAX_BYTES
from tests.making import raw

RAW = raw().model_dump_json().encode()
COMMAND = json.dumps({"id": "1", "actor": "anna", "task": str(UUID(int=7))}).encode()


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("raw.default.telegram.chat", RAW),
        ("bulk.default.telegram.chat", RAW),
        ("commands.default.telegram", COMMAND),
    ],
)
def test_what_would_be_read_may_go_back(subject: str, body: bytes) -> None:
    assert why_not(subject, body) is None


@pytest.mark.parametrize(
    ("subject", "body", "said"),
    [
        ("raw.default.telegram.chat", b"\xff", "it would die again (no raw message"),
        ("raw.default.telegram.chat", COMMAND, "it would die again (no raw message"),
        ("raw.default.telegram.other", RAW, "it would die again (default/chat/1: says default.telegram.chat on"),
        ("commands.default.telegram", RAW, "it would die again (no command"),
        ("commands.acme.telegram", COMMAND, "it would die again (says workspace default on"),
        ("raw.default.telegram.chat", b" " * MAX_BYTES + RAW, "1,047,"),
        ("dead.by-hand", RAW, "nothing is sent back to dead.by-hand"),
        ("raw.default.telegram.chat.x", RAW, "nothing is sent back to"),
        ("results.default.task.created", RAW, "nothing is sent back to"),
        ("commands", COMMAND, "nothing is sent back to commands"),
    ],
)
def test_what_would_not_be_read_is_told_with_what_to_do(subject: str, body: bytes, said: str) -> None:
    reason = why_not(subject, body)
    assert reason is not None
    assert reason.startswith(said)
    assert reason.endswith(("edit it first", "can only be dropped"))
