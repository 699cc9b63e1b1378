"""What the services print: kept in bounded files, shown on a terminal when asked."""

from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

MAX_LINE_BYTES = 16 * 1024
_COLOURS = (36, 33, 32, 35, 34, 31)

Show = Callable[[str, str], None]
"""Called with a service's name and one line."""


class Journal:
    """One file a service, ``<name>.log``; when it is full it becomes ``<name>.log.1``, and that one is forgotten."""

    def __init__(self, directory: Path, *, show: Show | None = None, max_bytes: int = 4 * 1024**2) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory = directory
        self._show = show
        self._max_bytes = max_bytes
        self._latest: defaultdict[str, deque[str]] = defaultdict(lambda: deque(maxlen=12))

    def write(self, name: str, lines: list[str]) -> None:
        """Keep the lines, and show them if somebody watches."""
        if not lines:
            return
        path = self.directory / f"{name}.log"
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
            full = file.tell() >= self._max_bytes
        if full:
            path.replace(path.with_name(f"{path.name}.1"))
        self._latest[name].extend(lines)
        if self._show:
            for line in lines:
                self._show(name, line)

    def latest(self, name: str) -> str:
        """Give the last lines of a service, to be told with its failure."""
        return "\n".join(self._latest[name])


class Lines:
    """Bytes as they come, cut into lines; one that is too long is cut as well."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[str]:
        """Take a piece and give the lines that are whole by now; an empty piece is the end.

        >>> lines = Lines()
        >>> lines.feed(b"one\\ntw"), lines.feed(b"o"), lines.feed(b"")
        (['one'], [], ['two'])
        """
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        if self._rest and (not chunk or len(self._rest) > MAX_LINE_BYTES):
            whole.append(self._rest)
            self._rest = b""
        return [line[:MAX_LINE_BYTES].decode(errors="replace").rstrip("\r") for line in whole]


def on_terminal(stream: TextIO) -> Show:
    """Print each line with its service's name before it, in colour when somebody sees it."""
    colours: dict[str, int] = {}

    def show(name: str, line: str) -> None:
        colour = colours.setdefault(name, _COLOURS[len(colours) % len(_COLOURS)])
        label = f"\x1b[{colour}m{name:>9}\x1b[0m" if stream.isatty() else f"{name:>9}"
        stream.write(f"{label} | {line}\n")
        stream.flush()

    return show
