"""Files of messages, for ``import``: JSON Lines, mbox, and mails one a file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from connectors.contract import why
from connectors.mail_text import parse_date, read_mail
from connectors.records import Record, lines, mails, whole
from schemas.messages import MessageLine, Origin, RawMessage
from schemas.sources import NewSource

KEPT_BYTES = 512 * 1024
"""Bytes that are kept of an item that cannot be used: what a dead letter holds."""


class Format(StrEnum):
    """How the messages of a file are written."""

    JSONL = "jsonl"
    MBOX = "mbox"
    EML = "eml"


_READERS = {Format.JSONL: lines, Format.MBOX: mails, Format.EML: whole}
_SUFFIXES = {".jsonl": Format.JSONL, ".ndjson": Format.JSONL, ".mbox": Format.MBOX, ".eml": Format.EML}
_MAIL_SUFFIXES = {".eml", ".txt", ""}


class UnknownFormat(ValueError):
    """Neither a file's name nor its beginning says how its messages are written."""


@dataclass(frozen=True, slots=True)
class Found:
    """A message; ``end`` bytes of the input are behind us with it."""

    end: int
    message: RawMessage


@dataclass(frozen=True, slots=True)
class Bad:
    """Bytes that are no message, and why; at most KEPT_BYTES of them are kept."""

    end: int
    where: str
    body: bytes
    reason: str


Item: TypeAlias = Found | Bad


class FilesSettings(BaseModel):
    """The channel has nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Files:
    """Reads a file, or all files of a folder in the order of their names, as messages of one workspace.

    ``source`` goes before the one that a line of JSON Lines names; where it is None, mails are of a source named
    after the file or folder. ``format`` None: each file's suffix, else its beginning, tells.
    """

    channel = "files"
    settings = FilesSettings

    workspace: str = "default"
    source: str | None = None
    format: Format | None = None
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def check(self, source: NewSource) -> None:
        """Refuse settings: there are none."""
        self.settings.model_validate(source.settings)

    def read(self, path: Path, *, start: int = 0) -> Iterator[Item]:
        """Read every item once, in order, never more than one of them in memory; what cannot be used comes as Bad.

        ``start`` is the ``end`` of an item of an earlier reading: go on behind it. Raises UnknownFormat for a file
        (in a folder, that file is Bad) and OSError.
        """
        if self.format is None and not path.is_dir():
            guess(path)
        return self._read(path, start)

    def size(self, path: Path) -> int:
        """Count the bytes of the input: what the last item's ``end`` comes to."""
        return sum(each.stat().st_size for each in self._files(path))

    def key(self, path: Path) -> str:
        """Name this import: the same content, addressed the same, goes on where it stopped."""
        digest = sha256("\x1f".join((self.workspace, self._source(path), self.format or "")).encode())
        for each in self._files(path):
            with each.open("rb") as file:
                digest.update(file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def _files(self, path: Path) -> list[Path]:
        if not path.is_dir():
            return [path]
        files = [each for each in sorted(path.iterdir()) if each.is_file() and not each.name.startswith(".")]
        return [each for each in files if self.format is not Format.EML or each.suffix.lower() in _MAIL_SUFFIXES]

    def _source(self, path: Path) -> str:
        return self.source or slug(path.name if path.is_dir() else path.stem)

    def _read(self, path: Path, start: int) -> Iterator[Item]:
        behind = 0
        for each in self._files(path):
            size = each.stat().st_size
            if behind + size > start:
                yield from self._read_file(each, self._source(path), behind, max(0, start - behind))
            behind += size

    def _read_file(self, path: Path, source: str, behind: int, start: int) -> Iterator[Item]:
        with path.open("rb") as file:
            try:
                form = self.format or guess(path)
            except UnknownFormat as error:
                yield Bad(behind + path.stat().st_size, path.name, file.read(KEPT_BYTES), str(error))
                return
            file.seek(start)
            written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            for record in _READERS[form](file):
                end = behind + record.end
                where = path.name if form is Format.EML else f"{path.name}, byte {record.start:,}"
                try:
                    yield Found(end, self._message(record, form, source, written_at))
                except ValidationError as error:
                    yield Bad(end, where, record.body[:KEPT_BYTES], why(error))
                except ValueError as error:
                    yield Bad(end, where, record.body[:KEPT_BYTES], str(error))
                except Exception as error:  # the mail parser raises nearly anything on hostile input
                    yield Bad(end, where, record.body[:KEPT_BYTES], f"unreadable: {error!r}"[:500])

    def _message(self, record: Record, form: Format, source: str, written_at: datetime) -> RawMessage:
        if record.cut:
            raise ValueError(f"larger than {len(record.body):,} bytes")
        if form is Format.JSONL:
            return self._from_line(record.body)
        return self._from_mail(record.body, source, written_at, quoted=form is Format.MBOX)

    def _from_line(self, body: bytes) -> RawMessage:
        fields = from_json(body, allow_inf_nan=False)
        if not isinstance(fields, dict):
            raise ValueError("not a JSON object")
        line = MessageLine.model_validate(fields | {"source": self.source} if self.source else fields)
        return line.to_raw(
            workspace=self.workspace, channel=self.channel, origin=Origin.IMPORT, received_at=self.received_at
        )

    def _from_mail(self, body: bytes, source: str, written_at: datetime, *, quoted: bool) -> RawMessage:
        envelope, content = _opened(body)
        mail = read_mail(re.sub(rb"(?m)^>(>*From )", rb"\1", content) if quoted else content)
        return RawMessage(
            workspace=self.workspace,
            channel=self.channel,
            source=source,
            external_id=mail.external_id,
            origin=Origin.IMPORT,
            conversation=mail.thread,
            thread=mail.thread,
            reply_to=mail.reply_to,
            author=mail.author,
            author_name=mail.author_name,
            sent_at=mail.sent_at or envelope or written_at,
            received_at=self.received_at,
            text=mail.text,
            format=mail.format,
            attachments=mail.attachments,
        )


def guess(path: Path) -> Format:
    """Tell how a file's messages are written, by its suffix, else by its beginning. Raises UnknownFormat, OSError."""
    if path.suffix.lower() in _SUFFIXES:
        return _SUFFIXES[path.suffix.lower()]
    with path.open("rb") as file:
        head = file.read(8192).removeprefix(b"\xef\xbb\xbf").lstrip()
    first, _, more = head.partition(b"\n")
    if first.startswith(b"{") and (first.rstrip().endswith(b"}") or not more):
        return Format.JSONL
    if first.startswith(b"From "):
        return Format.MBOX
    if re.match(rb"[!-9;-~]+:", head) and re.search(rb"(?im)^(from|date|subject|message-id|received|to):", head):
        return Format.EML
    formats = ", ".join(Format)
    raise UnknownFormat(f"{path.name}: cannot tell how its messages are written; say --as with one of {formats}")


def slug(name: str) -> str:
    """Make the name of a file one of a source.

    >>> slug("Team Mail (2017)")
    'team-mail-2017'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "files"


def _opened(body: bytes) -> tuple[datetime | None, bytes]:
    """Take a mail out of its envelope, the line that begins with "From ", and read when it was closed."""
    if not body.startswith(b"From "):
        return None, body
    line, _, content = body.partition(b"\n")
    return parse_date(b" ".join(line.split()[2:]).decode("latin-1")), content
