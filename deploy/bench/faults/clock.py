"""Clocks that jump: libfaketime before a role's process, which then reads how wrong its clock is from a file."""

from importlib.util import find_spec
from pathlib import Path

HOUR = 3600

_READ_AGAIN_SECONDS = 1
_OF_THE_WHEEL = Path("vendor/libfaketime/src/libfaketime.so.1")
_OF_DEBIAN = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")


def library() -> Path | None:
    """Find libfaketime, of the wheel of that name or of the system; None where there is none."""
    wheel = find_spec("libfaketime")
    places = [Path(place) / _OF_THE_WHEEL for place in (wheel.submodule_search_locations or ())] if wheel else []
    places += [path for pattern in _OF_DEBIAN for path in Path("/").glob(pattern.lstrip("/"))]
    return next((path for path in places if path.is_file()), None)


class Clock:
    """The clock of one role: right until it is set wrong.

    Only the time of day jumps; a clock that counts from the start of the machine does not, there as here.
    """

    def __init__(self, library: Path, file: Path) -> None:
        self._library = library
        self._file = file
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """Be wrong by so many seconds, within a second from now; 0: be right."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)

    def environment(self) -> dict[str, str]:
        """What makes a process live by this clock."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": str(_READ_AGAIN_SECONDS),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Else waits by the clock that is not faked end at once, and Python's threads do nothing but change places.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }
