"""A full disk under NATS: nothing is accepted that is not kept, and all that was acknowledged is there afterwards."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from tests.faults.house import House, Ledger, house, some_load, watched
from tests.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]


@contextmanager
def small_disk(place: Path, *, megabytes: int) -> Iterator[None]:
    """Mount a small file system at a place; skip where we may not."""
    place.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0711", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path) -> Path:
    """Take all room that is left with a file of no use."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65_536))
        except OSError:
            return ballast


async def ready(made: House) -> bool:
    async with httpx.AsyncClient(timeout=5) as client:
        return (await client.get(f"{made.url}/api/health/ready")).status_code == HTTPStatus.OK


async def not_ready(made: House) -> bool:
    return not await ready(made)


async def test_full_disk_under_nats_is_said_at_once_and_costs_nothing_that_was_acknowledged(
    stack_folder: Path, pg_bin: Path | None
) -> None:
    with small_disk(stack_folder / "nats", megabytes=24), house(stack_folder, pg_bin) as made:
        await made.open()
        async with watched(made) as ledger:
            await some_load(ledger)
            ballast = fill(stack_folder / "nats")
            await until(lambda: not_ready(made), seconds=15, what="readiness to turn red")
            await refusing(ledger)
            ballast.unlink()
            made.kill("nats")
            await until(lambda: ready(made), seconds=20, what="readiness to turn green")


async def refusing(ledger: Ledger) -> None:
    """Wait until senders are refused, and see that nothing more is acknowledged then."""
    unknown = len(ledger.unknown)
    await until(lambda: len(ledger.unknown) > unknown, seconds=20, what="a refusal")
    acknowledged = len(ledger.acknowledged)
    await asyncio.sleep(1.0)  # in which a careless inlet would accept
    assert len(ledger.acknowledged) == acknowledged
