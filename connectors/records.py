"""A file's bytes, cut into records: lines, the mails of an mbox, or the whole as one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_LINE = 8 * 1024 * 1024
MAX_MAIL = 64 * 1024 * 1024

_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """Bytes ``start`` to ``end`` (exclusive) of a file; ``cut``: they are too many, the body is their beginning."""

    start: int
    end: int
    body: bytes
    cut: bool = False


def lines(file: BinaryIO, *, limit: int = MAX_LINE) -> Iterator[Record]:
    """Cut into lines; empty ones are left out."""
    start = file.tell()
    while line := file.readline(limit):
        end = start + len(line)
        cut = False
        while not line.endswith(b"\n") and (piece := file.readline(_PIECE)):
            cut = True
            end += len(piece)
            if piece.endswith(b"\n"):
                break
        body = line.removeprefix(b"\xef\xbb\xbf") if start == 0 else line
        if body.strip():
            yield Record(start, end, body, cut)
        start = end


def mails(file: BinaryIO, *, limit: int = MAX_MAIL) -> Iterator[Record]:
    """Cut an mbox into mails: each begins with a line "From ..." at the start of the file or after an empty line.

    Source: RFC 4155, and the mboxrd convention.
    """
    start = end = file.tell()
    body = bytearray()
    size, line_begins, after_empty = 0, True, True
    while piece := file.readline(_PIECE):
        if line_begins and after_empty and piece.startswith(b"From "):
            if body.strip():
                yield Record(start, end, bytes(body), cut=size > limit)
            start, size = end, 0
            body.clear()
        after_empty = line_begins and not piece.strip(b"\r\n")
        line_begins = piece.endswith(b"\n")
        body += piece[: max(0, limit - len(body))]
        size += len(piece)
        end += len(piece)
    if body.strip():
        yield Record(start, end, bytes(body), cut=size > limit)


def whole(file: BinaryIO, *, limit: int = MAX_MAIL) -> Iterator[Record]:
    """Take the whole file as one record, from its beginning; an empty one holds nothing."""
    file.seek(0)
    if body := file.read(limit):
        rest = sum(len(piece) for piece in iter(lambda: file.read(_PIECE), b""))
        yield Record(0, len(body) + rest, body, cut=rest > 0)
