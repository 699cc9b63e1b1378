"""Disks that are small, and that are full."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.bench.counts import Miscounted


def may_mount() -> bool:
    """Say whether small file systems can be had: only root may mount them, and not everywhere."""
    return os.geteuid() == 0 and _run("unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt")


@contextmanager
def small_disk(place: Path, *, megabytes: int) -> Iterator[None]:
    """Mount a small file system, of memory, at a place; raises Miscounted where we may not."""
    place.mkdir(parents=True, exist_ok=True)
    if not _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0711", "tmpfs", str(place)):
        raise Miscounted(f"a small file system could not be mounted at {place}")
    try:
        yield
    finally:
        _run("umount", "--lazy", str(place))


def fill(place: Path) -> Path:
    """Take all room that is left with a file of no use."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65_536))
        except OSError:
            return ballast


def _run(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
