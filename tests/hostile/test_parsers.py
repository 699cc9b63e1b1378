"""Whatever bytes a parser is given, it makes a value or the error that it names, and nothing else."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from connectors import records
from connectors.contract import KnownSource, Refused
from connectors.files import slug
from connectors.json_pointer import Pointer, resolve
from connectors.mail_text import parse_date, read_mail
from connectors.webhook import Webhook
from pipelines.reading.html import TooDeep, read_html
from schemas.commands import Command
from schemas.messages import MessageLine, Moment, RawMessage
from schemas.sources import NewSource
from schemas.tasks import NewTask, ReviewDecision, TaskChange

NOW = datetime(2026, 3, 4, tzinfo=UTC)
ANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
SHAPES: tuple[type[BaseModel], ...] = (RawMessage, MessageLine, Command, NewSource, NewTask, TaskChange, ReviewDecision)
bodies = st.binary(max_size=400) | documents.map(lambda value: json.dumps(value).encode())


def nearly(shape: type[BaseModel]) -> st.SearchStrategy[object]:
    """Make objects with the right fields and any values."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(shape.model_fields, scalars | documents))


@ANY
@given(st.sampled_from(SHAPES).flatmap(lambda shape: st.tuples(st.just(shape), nearly(shape))))
def test_any_object_is_a_shape_or_a_validation_error(tried: tuple[type[BaseModel], object]) -> None:
    shape, value = tried
    for made in (partial(shape.model_validate, value), partial(shape.model_validate_json, json.dumps(value))):
        with suppress(ValidationError):
            made().model_dump_json().encode()


@ANY
@given(st.sampled_from(SHAPES), bodies)
def test_any_bytes_are_a_shape_or_a_validation_error(shape: type[BaseModel], body: bytes) -> None:
    with suppress(ValidationError):
        shape.model_validate_json(body)


@ANY
@given(bodies, st.booleans(), st.text(max_size=20))
def test_any_body_of_a_webhook_is_messages_or_refused(body: bytes, mapped: bool, webhook_id: str) -> None:
    pointers = {"text": "/text", "author": "/a/0", "sent_at": "/s"} if mapped else {}
    source = KnownSource("default", "ci", "webhook", {"unsigned": True, "map": pointers})
    try:
        made = Webhook().receive({"webhook-id": webhook_id}, body, source, NOW)
    except Refused as error:
        assert 400 <= error.status < 500  # noqa: PT017  # either way is right
    else:
        assert [RawMessage.model_validate_json(raw.model_dump_json()) for raw in made] == made


@ANY
@given(bodies, st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()))
def test_any_signature_is_refused(body: bytes, headers: dict[str, str]) -> None:
    source = KnownSource("default", "ci", "webhook", secrets=("whsec_" + "A" * 40,))
    with pytest.raises(Refused, match="401"):
        Webhook().receive(headers, body, source, NOW)


lines = st.sampled_from(
    [
        *(
            b"From: ",
            b"Date: ",
            b"Subject: ",
            b"Message-ID: <",
            b"--b\n",
            b"--b--\n",
            b"\n",
            b"\r",
            b" ",
            b"\xff",
            b"\0",
        ),
        *(
            b"Content-Type: multipart/mixed; boundary=b\n",
            b"Content-Type: text/html; charset=",
            b"=?utf-8?B?",
            b";",
            b'"',
        ),
        *(b"Content-Type: message/rfc822\n", b"Content-Disposition: attachment; filename*=", b"utf-8''%FF"),
        *(b"=?x?Q?=FF?=", b"Content-Transfer-Encoding: base64\n"),
    ]
)


@ANY
@given(st.lists(lines | st.binary(max_size=12), max_size=30).map(b"".join))
def test_any_mail_is_read_or_is_none(content: bytes) -> None:
    try:
        mail = read_mail(b"From: a@x\n" + content)
    except ValueError:
        return
    mail.text.encode()
    assert "\0" not in f"{mail.text}{mail.author}{mail.author_name}{mail.external_id}{mail.reply_to}{mail.thread}"


@ANY
@given(st.text() | st.from_regex(r"\A\w{3}, \d{1,4} \w{3} \d{1,6} \d{1,3}:\d{1,3} [+-]?\w{0,6}\Z"))
def test_any_date_of_a_mail_is_a_time_in_utc_or_none(written: str) -> None:
    read = parse_date(written)
    assert read is None or read.tzinfo is UTC


@ANY
@given(st.text())
def test_any_name_makes_a_slug_and_any_pointer_is_one_or_is_not(text: str) -> None:
    assert NewSource(slug=slug(text), channel="files").slug
    with suppress(ValidationError, LookupError):
        resolve({"a": [1]}, TypeAdapter(Pointer).validate_python(text))


@ANY
@given(st.binary(), st.integers(1, 30))
def test_any_file_is_cut_into_records_that_do_not_overlap(content: bytes, limit: int) -> None:
    for cutter in (records.lines, records.mails, records.whole):
        found = list(cutter(BytesIO(content), limit=limit))
        assert all(len(each.body) <= limit for each in found)
        assert all(one.end <= other.start for one, other in pairwise(found))


@ANY
@given(scalars)
def test_any_value_is_a_moment_in_utc_or_a_validation_error(value: object) -> None:
    try:
        made: datetime = TypeAdapter(Moment).validate_python(value)
    except ValidationError:
        return
    assert made.tzinfo is UTC


@ANY
@given(st.text(alphabet="<>/abptdrsvg ='\"&;!-[]#x0\n\0", max_size=200))
def test_any_markup_is_text_or_too_deep(markup: str) -> None:
    try:
        text, links = read_html(markup)
    except TooDeep:
        return
    assert isinstance(text, str)
    assert all(isinstance(link, str) for link in links)
