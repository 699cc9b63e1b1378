"""How the commands write: readable on a terminal, in a file and through a pipe, whatever a message holds."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

_WIDTH = 120
"""Characters of a line where there is no terminal that says how many fit."""

_CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"}
_CONTROLS |= dict.fromkeys((*range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD)


def terminal(*, stderr: bool = False) -> Console:
    """Make what a command writes with: to standard output, or to standard error."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else _WIDTH)


def harmless(text: str) -> str:
    r"""Replace the characters that would command the terminal; the length stays, and with it every span.

    >>> harmless("red \x1b[31m")
    'red ␛[31m'
    """
    return text.translate(_CONTROLS)


def table(*columns: str | Column) -> Table:
    """Make a table without lines, as wide as it must be."""
    return Table(*columns, box=None, padding=(0, 2, 0, 0), header_style="dim")


def moment(stamp: str) -> str:
    """Write a time of the api as the clock here shows it, to the second."""
    return f"{datetime.fromisoformat(stamp).astimezone():%Y-%m-%d %H:%M:%S}"


def quote(text: str, spans: Sequence[Sequence[int]], width: int, *, colour: bool = True) -> Text:
    """Fit the line of a text in which its decisive words stand into ``width`` characters, with those words marked.

    >>> quote("Hello.\\nPlease fix it.", [(7, 13)], 40, colour=False).plain
    '«Please» fix it.'
    """
    line = Text(harmless(text))
    for start, end in spans:
        line.stylize("reverse", start, end)
    first = min((start for start, _ in spans), default=0)
    begin = line.plain.rfind("\n", 0, first) + 1
    end = line.plain.find("\n", first)
    line = line[begin : end if end >= 0 else len(line)]
    if first - begin > width // 2:
        line = Text("…").append_text(line[first - begin - width // 4 :])
    if not colour:
        line = _bracketed(line)
    line.truncate(width, overflow="ellipsis")
    return line


def _bracketed(line: Text) -> Text:
    plain, end = "", 0
    for span in sorted(line.spans):
        if span.start >= end:
            plain += f"{line.plain[end : span.start]}«{line.plain[span.start : span.end]}»"
            end = span.end
    return Text(plain + line.plain[end:])


@contextmanager
def hushed(level: int) -> Iterator[None]:
    """Let the links to the servers say only what is as grave as ``level``, while the block runs."""
    log = logging.getLogger("deploy.links")
    before = log.level
    log.setLevel(level)
    try:
        yield
    finally:
        log.setLevel(before)
