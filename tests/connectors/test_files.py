import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import records
from connectors.files import KEPT_BYTES, Bad, Files, Format, Found, Item, UnknownFormat, guess, slug
from schemas.messages import RawMessage

SHARED = Path(__file__).resolve().parents[3] / "shared"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
LINE = {"source": "chat", "external_id": "1", "text": "please ship"}
MAIL = b"From: ann@x\nMessage-ID: <1@x>\nSubject: Crash\n\nIt crashes.\n"


def files(form: Format | None = None, source: str | None = None) -> Files:
    return Files(format=form, source=source, received_at=NOW)


def messages(items: list[Item]) -> list[RawMessage]:
    assert not [item for item in items if isinstance(item, Bad)]
    return [item.message for item in items if isinstance(item, Found)]


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_line_becomes_an_imported_message(tmp_path: Path) -> None:
    path = write(tmp_path / "chat.jsonl", json.dumps(LINE) + "\n")
    [raw] = messages(list(files().read(path)))
    assert (raw.channel, raw.source, raw.origin, raw.text) == ("files", "chat", "import", "please ship")
    assert raw.sent_at == raw.received_at == NOW


def test_source_that_is_given_goes_before_the_one_of_the_line(tmp_path: Path) -> None:
    nameless = {name: value for name, value in LINE.items() if name != "source"}
    path = write(tmp_path / "chat.jsonl", json.dumps(LINE) + "\n" + json.dumps(nameless))
    assert [raw.source for raw in messages(list(files(source="mine").read(path)))] == ["mine", "mine"]
    assert isinstance(list(files().read(path))[1], Bad)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "EOF"), (b"[]", "not a JSON object"), (b"{}", "source"), (b"\xff\xfe", "expected value"),
        (b'{"text": NaN}', "expected value"), (b"[" * 100_000, "recursion"), (b'{"text": "\\ud800"}', "hex escape"),
        (json.dumps(LINE | {"text": "\x00"}).encode(), "NUL"), (json.dumps(LINE | {"kind": "odd"}).encode(), "kind"),
    ],
)  # fmt: skip
def test_line_that_is_no_message_is_bad_and_the_next_one_is_read(tmp_path: Path, line: bytes, reason: str) -> None:
    path = write(tmp_path / "chat.jsonl", json.dumps(LINE).encode() + b"\n" + line + b"\n" + json.dumps(LINE).encode())
    first, bad, last = files().read(path)
    assert isinstance(first, Found)
    assert isinstance(last, Found)
    assert isinstance(bad, Bad)
    assert reason in bad.reason
    assert bad.body == (line + b"\n")[:KEPT_BYTES]
    assert (bad.where, bad.end) == (f"chat.jsonl, byte {first.end}", first.end + len(line) + 1)


def test_line_above_the_limit_is_bad_and_only_its_beginning_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "big.jsonl", b"x" * (records.MAX_LINE + 1) + b"\n" + json.dumps(LINE).encode())
    bad, found = files().read(path)
    assert isinstance(bad, Bad)
    assert isinstance(found, Found)
    assert "larger" in bad.reason
    assert len(bad.body) == KEPT_BYTES


def test_mbox_is_read_mail_by_mail(tmp_path: Path) -> None:
    quoted = MAIL.replace(b"<1@x>", b"<2@x>") + b"\n>From here on\n"
    path = write(tmp_path / "Team Mail.mbox", b"From ann Fri Jul  8 12:08:34 2011\n" + MAIL + b"\nFrom ann\n" + quoted)
    one, two = messages(list(files().read(path)))
    assert (one.source, one.external_id, one.text) == ("team-mail", "1@x", "Crash\n\nIt crashes.")
    assert one.sent_at == datetime(2011, 7, 8, 12, 8, 34, tzinfo=UTC)
    assert (two.external_id, two.text) == ("2@x", "Crash\n\nIt crashes.\n\nFrom here on")


def test_mail_without_a_date_has_its_file_s(tmp_path: Path) -> None:
    path = write(tmp_path / "a.eml", MAIL)
    os.utime(path, (1_500_000_000, 1_500_000_000))
    [raw] = messages(list(files(source="box").read(path)))
    assert (raw.source, raw.sent_at) == ("box", datetime.fromtimestamp(1_500_000_000, UTC))
    assert (raw.conversation, raw.thread, raw.author) == ("1@x", "1@x", "ann@x")


def test_mail_with_too_much_text_is_bad(tmp_path: Path) -> None:
    [bad] = files().read(write(tmp_path / "a.eml", MAIL + b"x" * 200_001))
    assert isinstance(bad, Bad)
    assert bad.reason.startswith("text: ")


def test_mails_of_parts_nested_without_end_are_no_crash(tmp_path: Path) -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3_000))
    [item] = files().read(write(tmp_path / "a.eml", b"From: ann@x\n" + deep))
    assert isinstance(item, Bad)
    assert "RecursionError" in item.reason


def test_folder_is_read_in_the_order_of_names_each_file_as_it_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "The Export"
    folder.mkdir()
    for name in ("a.eml", "c", ".hidden"):
        write(folder / name, MAIL)
    for name, content in {"b.jsonl": json.dumps(LINE), "d.bin": "\x7fELF", "e.eml": ""}.items():
        write(folder / name, content)
    items = list(files().read(folder))
    assert [item.message.source if isinstance(item, Found) else item.where for item in items] == [
        "the-export", "chat", "the-export", "d.bin",
    ]  # fmt: skip
    assert items[-1].end == files().size(folder)


def test_folder_of_mails_leaves_other_files_out(tmp_path: Path) -> None:
    for name in ("a.eml", "b.txt", "c", "d.jpg"):
        write(tmp_path / name, MAIL)
    assert len(messages(list(files(Format.EML).read(tmp_path)))) == 3


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("x.JSONL", b"", Format.JSONL), ("x.ndjson", b"", Format.JSONL), ("x.mbox", b"", Format.MBOX),
        ("x.eml", b"", Format.EML), ("x", b'\xef\xbb\xbf{"a": 1}\n', Format.JSONL), ("x", b"From a\n", Format.MBOX),
        ("x.txt", b"Received: by x\nFrom: a\n\n", Format.EML),
    ],
)  # fmt: skip
def test_format_is_told_by_name_or_beginning(tmp_path: Path, name: str, content: bytes, form: Format) -> None:
    assert guess(write(tmp_path / name, content)) == form


@pytest.mark.parametrize("content", [b"", b"[]", b'{\n "a": 1}', b"Note: buy milk", b"\xff\xfe"])
def test_format_that_cannot_be_told_is_asked_for_at_once(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnknownFormat, match="--as"):
        files().read(write(tmp_path / "x.dat", content))


@pytest.mark.parametrize(("name", "made"), [("Чат", "files"), ("-a" * 40, "a-" * 19 + "a"), ("Q3 report", "q3-report")])
def test_name_of_a_file_makes_a_slug(name: str, made: str) -> None:
    assert slug(name) == made


def test_key_tells_content_and_addressing_apart(tmp_path: Path) -> None:
    one, copy = write(tmp_path / "one.jsonl", "1"), write(tmp_path / "one.ndjson", "1")
    assert files().key(one) == files().key(copy)
    others = [
        files().key(write(tmp_path / "two.jsonl", "2")), files(source="mine").key(one), files(Format.EML).key(one),
        Files(workspace="acme").key(one), files().key(tmp_path), files().key(one),
    ]  # fmt: skip
    assert len(set(others)) == len(others)


def test_reading_goes_on_behind_any_item(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", "\n".join(json.dumps(LINE | {"external_id": str(n)}) for n in range(3)) + "\n{\n")
    write(tmp_path / "b.mbox", b"From a\n" + MAIL + b"\nFrom b\n" + MAIL)
    write(tmp_path / "c.eml", MAIL)
    items = list(files().read(tmp_path))
    assert len(items) == 7
    for number, item in enumerate(items):
        assert list(files().read(tmp_path, start=item.end)) == items[number + 1 :]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=300), st.sampled_from(Format))
def test_any_bytes_end_as_messages_or_with_a_reason(tmp_path: Path, content: bytes, form: Format) -> None:
    path = write(tmp_path / "any", b"From: a\n" * (form is Format.EML) + content)
    for item in files(form).read(path):
        assert isinstance(item, Found) or item.reason


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real payloads are not here")
def test_every_real_mail_is_read_or_refused_with_a_reason() -> None:
    read, bad = 0, []
    for folder in sorted((SHARED / "payloads").glob("email_*")):
        for item in files(Format.EML).read(folder):
            if isinstance(item, Bad):
                bad.append((item.where, item.reason))
            else:
                read += 1
                assert RawMessage.model_validate_json(item.message.model_dump_json()) == item.message
    assert read + len(bad) == 174
    assert len(bad) < 10  # an Outlook binary, and parts of mails without a header that mails have
    assert all("no mail" in reason for _, reason in bad)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real messages are not here")
def test_every_real_message_is_read() -> None:
    path = SHARED / "data" / "messages.jsonl"
    items = list(files().read(path))
    assert len(messages(items)) == 13_860
    assert items[-1].end == files().size(path)
