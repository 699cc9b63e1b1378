import json
import time
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Library

from connectors.contract import KnownSource, Refused
from connectors.webhook import MAX_MESSAGES, Webhook
from schemas.messages import RawMessage
from schemas.sources import NewSource
from tests.connectors.signing import OTHER_SECRET, SECRET, signature, signed

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "payloads"
HELLO = b'{"text": "please fix the login", "author": "ann"}'


def source(*secrets: str, **settings: Any) -> KnownSource:
    return KnownSource("default", "ci", "webhook", settings, secrets)


UNSIGNED = source(unsigned=True)


def receive(body: bytes, headers: dict[str, str] | None = None, at: KnownSource | None = None) -> list[RawMessage]:
    headers = signed(body) if headers is None else headers
    return Webhook().receive(headers, body, at or source(SECRET), NOW)


def read(document: Any, *, webhook_id: str | None = "msg_1", **settings: Any) -> list[RawMessage]:
    headers = {"webhook-id": webhook_id} if webhook_id else {}
    return receive(json.dumps(document).encode(), headers, source(unsigned=True, **settings))


def refusal(body: bytes, headers: dict[str, str] | None = None, at: KnownSource | None = None) -> HTTPStatus:
    with pytest.raises(Refused) as refused:
        receive(body, headers, at)
    return refused.value.status


def test_signed_message_is_read() -> None:
    [raw] = receive(HELLO)
    assert (raw.channel, raw.source, raw.external_id, raw.origin) == ("webhook", "ci", "msg_1", "live")
    assert (raw.text, raw.author, raw.sent_at) == ("please fix the login", "ann", NOW)


def test_published_vector_is_signed_alike_by_the_library_and_by_our_own_signer() -> None:
    vector = json.loads((ROOT / "tests/captured/webhook/standard-webhooks-vector.json").read_text())
    at = datetime.fromtimestamp(vector["timestamp"], UTC)
    assert Library(vector["secret"]).sign(vector["id"], at, vector["body"]) == vector["signature"]
    ours = signature(vector["body"].encode(), secret=vector["secret"], webhook_id=vector["id"], at=vector["timestamp"])
    assert ours == vector["signature"]


def test_tampered_body_id_or_time_is_refused() -> None:
    headers = signed(HELLO)
    assert receive(HELLO, headers)
    assert refusal(HELLO + b" ", headers) == HTTPStatus.UNAUTHORIZED
    assert refusal(HELLO, headers | {"webhook-id": "msg_2"}) == HTTPStatus.UNAUTHORIZED
    later = str(int(headers["webhook-timestamp"]) + 1)
    assert refusal(HELLO, headers | {"webhook-timestamp": later}) == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("seconds", [-330, 330])
def test_signature_from_another_time_is_refused(seconds: int) -> None:
    assert refusal(HELLO, signed(HELLO, at=int(time.time()) + seconds)) == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_request_without_one_of_the_headers_is_refused(missing: str) -> None:
    headers = signed(HELLO)
    del headers[missing]
    assert refusal(HELLO, headers) == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("webhook-signature", "v1"),
        ("webhook-signature", "v1,a,b"),
        ("webhook-signature", "v1,ünicode"),
        ("webhook-signature", "v1,"),
        ("webhook-signature", " "),
        ("webhook-timestamp", "nan"),
        ("webhook-timestamp", "1e999"),
        ("webhook-timestamp", "yesterday"),
    ],
)
def test_nonsense_in_a_header_is_refused(header: str, value: str) -> None:
    assert refusal(HELLO, signed(HELLO) | {header: value}) == HTTPStatus.UNAUTHORIZED


def test_body_that_is_no_text_cannot_be_verified() -> None:
    assert refusal(b'{"text": "\xff"}') == HTTPStatus.UNAUTHORIZED


def test_each_active_secret_is_accepted_and_a_rotated_out_one_is_not() -> None:
    both = source(OTHER_SECRET, SECRET)
    assert receive(HELLO, signed(HELLO, secret=SECRET), both)
    assert receive(HELLO, signed(HELLO, secret=OTHER_SECRET), both)
    assert refusal(HELLO, signed(HELLO, secret=SECRET), source(OTHER_SECRET)) == HTTPStatus.UNAUTHORIZED


def test_one_good_signature_among_several_is_enough() -> None:
    headers = signed(HELLO)
    strangers = signed(HELLO, secret=OTHER_SECRET)["webhook-signature"]
    headers["webhook-signature"] = f"v1a,{'A' * 88} {strangers} {headers['webhook-signature']}"
    assert receive(HELLO, headers)


def test_signature_is_checked_before_the_body_is_parsed() -> None:
    assert refusal(b"{", signed(b"}")) == HTTPStatus.UNAUTHORIZED
    assert refusal(b"{") == HTTPStatus.BAD_REQUEST


def test_source_without_a_secret_is_refused_unless_it_was_declared_unsigned() -> None:
    assert refusal(HELLO, at=source()) == HTTPStatus.FORBIDDEN
    assert refusal(HELLO, at=source(unsigned="true")) == HTTPStatus.FORBIDDEN
    assert receive(HELLO, {"webhook-id": "1"}, UNSIGNED)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "secret: missing"),
        ({"secret": "whsec_"}, "at least 24 bytes"),
        ({"secret": "correct horse battery staple, twice over"}, "at least 24 bytes"),
        ({"secret": [SECRET, "whsec_c2hvcnQ="]}, "at least 24 bytes"),
        ({"secret": SECRET, "settings": {"map": {"text": "no pointer"}}}, "text"),
    ],
)
def test_source_that_would_refuse_every_request_is_refused_itself(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Webhook().check(NewSource(slug="ci", channel="webhook", **given))


@pytest.mark.parametrize(
    "given", [{"secret": SECRET}, {"secret": [SECRET, OTHER_SECRET]}, {"settings": UNSIGNED.settings}]
)
def test_source_with_sound_secrets_or_declared_unsigned_is_taken(given: dict[str, Any]) -> None:
    Webhook().check(NewSource(slug="ci", channel="webhook", **given))


def test_unsigned_does_not_switch_off_a_secret() -> None:
    assert refusal(HELLO, {"webhook-id": "1"}, source(SECRET, unsigned=True)) == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("useless", ["", "whsec_", "whsec_a", "ключ"])
def test_secret_that_is_none_opens_nothing(useless: str) -> None:
    assert refusal(HELLO, at=source(useless)) == HTTPStatus.UNAUTHORIZED
    assert receive(HELLO, at=source(useless, SECRET))


def test_secrets_are_not_shown() -> None:
    assert SECRET not in repr(source(SECRET))


def test_request_sent_again_is_the_same_message() -> None:
    [first], [again] = receive(HELLO, signed(HELLO, at=int(time.time()) - 60)), receive(HELLO)
    assert (first.key, first.message_id) == (again.key, again.message_id)


def test_messages_of_a_list_are_told_apart_by_their_place() -> None:
    listed = read([{"text": "a"}, {"text": "b", "external_id": "own"}])
    assert [raw.external_id for raw in listed] == ["msg_1/0", "own"]
    assert read({"messages": [{"text": "a"}, {"text": "b", "external_id": "own"}]}) == listed


def test_every_field_of_the_import_format_arrives() -> None:
    [raw] = read(
        {"external_id": "7", "conversation": "ops", "author": "ann", "sent_at": "2026-01-02T03:04:05+02:00"}
        | {"text": "x", "reply_to": "6", "revision": 3, "kind": "edit", "source": "ci"}
    )
    assert (raw.external_id, raw.conversation, raw.author, raw.reply_to) == ("7", "ops", "ann", "6")
    assert (raw.revision, raw.kind, raw.sent_at) == (3, "edit", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC))


@pytest.mark.parametrize(
    "document",
    [
        [], {}, 1, "text", None, True, [1], {"messages": 1}, {"text": 1}, {"text": None},
        {"text": "x", "colour": "red"}, {"text": "x", "sent_at": "2026-01-02T03:04:05"}, {"text": "x", "kind": "edit"},
        {"text": "x", "source": "another"}, {"text": "NUL \x00"}, {"text": "x", "author": ""}, {"text": "x" * 200_001},
        {"text": "x", "revision": 10**30},
    ],
)  # fmt: skip
def test_json_that_is_no_message_is_refused(document: Any) -> None:
    assert refusal(json.dumps(document).encode()) == HTTPStatus.UNPROCESSABLE_ENTITY


@pytest.mark.parametrize(
    "body",
    [b"", b"NaN", b'{"text": Infinity}', b'{"text": "\\ud800"}', b'{"text": "\xff"}', b"[" * 100_000, b'{"a":' * 9_999],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    assert refusal(body, {"webhook-id": "1"}, UNSIGNED) == HTTPStatus.BAD_REQUEST


def test_message_that_nothing_names_is_refused() -> None:
    with pytest.raises(Refused, match="external_id"):
        read({"text": "x"}, webhook_id=None)


def test_more_messages_than_a_batch_holds_are_refused() -> None:
    assert len(read([{"text": "x"}] * MAX_MESSAGES)) == MAX_MESSAGES
    with pytest.raises(Refused) as refused:
        read([{"text": "x"}] * (MAX_MESSAGES + 1))
    assert refused.value.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_refusal_does_not_echo_the_value() -> None:
    with pytest.raises(Refused) as refused:
        read({"text": "x", "sent_at": "my password"})
    assert "sent_at" in refused.value.detail
    assert "password" not in refused.value.detail


def test_foreign_shape_is_read_by_pointers_and_kept_as_payload() -> None:
    body = {"issue": {"id": 7, "title": "Crash", "body": None}, "people": [{"login": "ann"}], "a/b": "room"}
    pointers = {"text": "/issue/title", "external_id": "/issue/id", "author": "/people/0/login"}
    [raw] = read(body, map=pointers | {"conversation": "/a~1b", "reply_to": "/issue/body", "sent_at": "/nowhere"})
    assert (raw.text, raw.external_id, raw.author, raw.conversation) == ("Crash", "7", "ann", "room")
    assert (raw.reply_to, raw.sent_at, raw.payload) == (None, NOW, body)


def test_foreign_shape_without_the_text_is_refused() -> None:
    with pytest.raises(Refused, match="text"):
        read({"zen": "Design for failure."}, map={"text": "/issue/title"})


@pytest.mark.parametrize("hidden", ["\x00", {"deep\x00": 1}])
def test_foreign_shape_that_the_database_cannot_keep_is_refused(hidden: Any) -> None:
    with pytest.raises(Refused, match="NUL"):
        read({"title": "x", "other": [hidden]}, map={"text": "/title"})


def test_foreign_shape_that_is_read_can_be_read_again_behind_nats() -> None:
    deep: Any = 1
    for _ in range(98):
        deep = [deep]
    [raw] = read({"title": "x", "deep": deep}, map={"text": "/title"})
    assert RawMessage.model_validate_json(raw.model_dump_json()) == raw
    with pytest.raises(Refused, match="nested"):
        read({"title": "x", "deep": [[deep]]}, map={"text": "/title"})


def test_settings_that_cannot_be_used_are_told_to_those_who_know_the_secret() -> None:
    broken = source(SECRET, map={"text": "no pointer"})
    assert refusal(HELLO, at=broken) == HTTPStatus.CONFLICT
    assert refusal(HELLO, {}, broken) == HTTPStatus.UNAUTHORIZED


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real payloads are not here")
def test_real_issues_of_github_are_read_by_pointers() -> None:
    pointers = {"text": "/issue/title", "external_id": "/issue/id", "author": "/sender/login"}
    files = sorted((SHARED / "github").glob("issues__*.json"))
    assert files
    for file in files:
        body = json.loads(file.read_text())
        [raw] = read(body, map=pointers | {"sent_at": "/issue/created_at", "conversation": "/repository/full_name"})
        assert (raw.text, raw.external_id) == (body["issue"]["title"], str(body["issue"]["id"]))
        assert RawMessage.model_validate_json(raw.model_dump_json()) == raw


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real payloads are not here")
def test_naughty_strings_arrive_unchanged() -> None:
    strings = json.loads((SHARED / "naughty" / "blns.json").read_text())
    messages = [
        raw
        for start in range(0, len(strings), 100)
        for raw in read([{"text": text} for text in strings[start : start + 100]])
    ]
    assert [raw.text for raw in messages] == strings
