"""pipelines/carry.py: nothing is dropped on the way; one message that fails is refused alone, with its reason."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.carry import Carried, Delivery, Refusal, carried, decode
from schemas import subjects
from schemas.errors import Rejected
from schemas.messages import RawMessage
from tests.making import raw


def delivery(body: bytes | str = b"", subject: str = "raw.default.telegram.chat") -> Delivery:
    return Delivery("reply", subject, body if isinstance(body, bytes) else body.encode())


def numbers(*values: int) -> list[Carried[int]]:
    return [Carried(delivery(str(value)), value) for value in values]


def failing(error: Exception, *culprits: int) -> Callable[[list[int]], Sequence[int]]:
    """Make a stage that doubles numbers and fails at some of them."""

    def stage(batch: list[int]) -> list[int]:
        if set(culprits) & set(batch):
            raise error
        return [2 * value for value in batch]

    return stage


def test_values_keep_their_order_and_their_deliveries() -> None:
    made = carried("double", failing(ValueError()))(numbers(3, 1, 2))
    assert [(item.delivery.body, item.value) for item in made] == [(b"3", 6), (b"1", 2), (b"2", 4)]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Rejected("chat/2: no author"), "chat/2: no author"),
        (KeyError("author"), "KeyError: 'author'"),
        (RecursionError("too deep"), "RecursionError: too deep"),
        (StopIteration(), "StopIteration: "),
    ],
)
def test_message_that_fails_is_refused_alone(error: Exception, reason: str) -> None:
    made = carried("double", failing(error, 2, 5))(numbers(1, 2, 3, 4, 5))
    refusal = Refusal("double", reason)
    assert [item.value for item in made] == [2, refusal, 6, 8, refusal]
    assert [item.delivery.body for item in made] == [b"1", b"2", b"3", b"4", b"5"]


def test_reason_is_bounded() -> None:
    [made] = carried("double", failing(ValueError("x" * 100_000), 1))(numbers(1))
    assert isinstance(made.value, Refusal)
    assert len(made.value.reason) <= 500


def test_refusal_passes_by_later_stages() -> None:
    seen: list[list[int]] = []

    def stage(batch: list[int]) -> list[int]:
        seen.append(batch)
        return batch

    refused: Carried[int] = Carried(delivery(), Refusal("earlier", "no good"))
    [one, two, three] = numbers(1, 2, 3)
    assert carried("later", stage)([one, refused, two, three]) == [one, refused, two, three]
    assert seen == [[1, 2, 3]]


def test_batch_of_refusals_alone_passes_by() -> None:
    refused: list[Carried[int]] = [Carried(delivery(), Refusal("earlier", "no good"))] * 3
    assert carried("double", failing(ValueError()))(refused) == refused


@pytest.mark.parametrize("made", [[], [1], [1, 2, 3, 4]])
def test_stage_that_loses_count_gives_no_message_the_value_of_another(made: list[int]) -> None:
    def stage(batch: list[int]) -> list[int]:
        return made if len(batch) > 1 else batch

    assert [item.value for item in carried("miscount", stage)(numbers(7, 8, 9))] == [7, 8, 9]


def test_stage_that_loses_count_of_a_single_message_refuses_it() -> None:
    def stage(batch: list[int]) -> list[int]:
        return [*batch, *batch]

    [made] = carried("miscount", stage)(numbers(7))
    assert isinstance(made.value, Refusal)


def test_raw_message_is_read_off_the_wire() -> None:
    sent = raw("7", "до понеділка", payload={"deep": [1, {"x": None}]})
    body = sent.model_dump_json(exclude_none=True)
    for subject in ("raw.default.telegram.chat", "bulk.default.telegram.chat"):
        assert decode([delivery(body, subject)]) == [sent]


def refused(body: str | bytes, subject: str = "raw.default.telegram.chat") -> str:
    with pytest.raises(Rejected) as caught:
        decode([delivery(body, subject)])
    return caught.value.reason


def altered(**fields: Any) -> str:
    return json.dumps(json.loads(raw("7").model_dump_json(exclude_none=True)) | fields)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "body: Invalid JSON"),
        (b"\xff\xfe", "body: Invalid JSON"),
        (b'{"text": "secret', "body: Invalid JSON"),
        (b"[" * 10_000, "body: Invalid JSON"),
        (b"[]", "body: Input should be an object"),
        (b"null", "body: Input should be an object"),
        (altered(v=2), "v: Input should be 1"),
        (altered(kind="secret"), "kind: Input should be 'new', 'edit' or 'delete'"),
        (altered(channel="SECRET"), "channel: String should match pattern"),
        (altered(sent_at="secret"), "sent_at: Value error, is not written out"),
        (altered(sent_at="2026-11-19T12:00:00"), "sent_at: Input should have timezone info"),
        (altered(external_id=""), "external_id: String should have at least 1 character"),
        (altered(text="secret\x00"), "text: Value error, holds a NUL character"),
        (altered(revision=-1), "revision: Input should be greater than or equal to 0"),
        (altered(secret="secret"), "unknown field: Extra inputs are not permitted"),
        (altered(attachments=["secret", 7]), "attachments.1: Input should be a valid string"),
        ('{"text": "secret \\ud800"}', "body: Invalid JSON"),
    ],
)
def test_what_is_no_raw_message_is_refused_with_its_reason_and_without_its_content(body: str | bytes, why: str) -> None:
    reason = refused(body)
    assert reason.startswith("no raw message: ")
    assert why in reason
    assert "secret" not in reason.lower()
    assert len(reason) < 500


def test_many_mistakes_are_told_by_the_first_few() -> None:
    reason = refused(altered(v=2, kind="x", revision=-1, channel="X", source="X", text=7, format="x"))
    assert reason.count(";") == 2


@pytest.mark.parametrize(
    "subject",
    [
        "raw.default.telegram.other",
        "raw.acme.telegram.chat",
        "raw.default.slack.chat",
        "bulk.default.slack.chat",
        "dead.default.telegram.chat",
        "raw.default.telegram.chat.more",
    ],
)
def test_message_that_lies_about_where_it_comes_from_is_refused(subject: str) -> None:
    reason = refused(raw("7", "secret").model_dump_json(), subject)
    assert reason == f"default/chat/7: says default.telegram.chat on subject {subject}"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
bodies = st.binary() | st.builds(
    lambda fields: altered(**fields).encode(),
    st.dictionaries(st.sampled_from(sorted(RawMessage.model_fields)), json_values, max_size=3),
)


@given(body=bodies)
@settings(max_examples=300, deadline=None)
@example(body=b'{"v": NaN}')
@example(body=b'{"v": ' + b"9" * 5_000 + b"}")
def test_any_bytes_are_either_a_raw_message_or_rejected(body: bytes) -> None:
    with suppress(Rejected):
        [made] = decode([delivery(body)])
        assert made.key.source == "chat"
    [item] = carried("decode", decode)([Carried(delivery(body), delivery(body))])
    assert isinstance(item.value, RawMessage | Refusal)


def test_subjects_are_those_that_the_publisher_writes_to() -> None:
    sent = raw("7")
    address = (sent.workspace, sent.channel, sent.source)
    for subject in (subjects.raw(*address), subjects.bulk(*address)):
        assert decode([delivery(sent.model_dump_json(), subject)]) == [sent]
