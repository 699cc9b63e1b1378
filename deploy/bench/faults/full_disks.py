"""Full disks under NATS and under PostgreSQL; a house of its own for each, whose disk is small from the start."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from deploy.bench.faults.accounting import watched
from deploy.bench.faults.disk import fill, small_disk
from deploy.bench.faults.house import House, house
from deploy.bench.faults.senders import Ledger, some_load
from deploy.bench.servers import until

NATS_MEGABYTES = 24
POSTGRES_MEGABYTES = 160
"""A new database takes 42 MB, so 24 would not do; the rest is for the WAL of a test's load, 16 MB at a time."""

RED_SECONDS = 10.0
"""How soon a full disk must be seen at the readiness."""

_REFUSED_SECONDS = 30.0
_GREEN_SECONDS = 30.0


async def under_nats(of: House, _: Random) -> None:
    """Fill the disk of NATS under load, make room and restart it; raises Miscounted unless all adds up."""
    with _room(of) as folder, small_disk(folder / "nats", megabytes=NATS_MEGABYTES), house(folder, of.pg_bin) as made:
        await made.open()
        async with watched(made) as ledger:
            await full(made, ledger, folder / "nats", "nats")


async def under_postgres(of: House, _: Random) -> None:
    """Fill the disk of PostgreSQL under load, make room and restart it; raises Miscounted unless all adds up."""
    with (
        _room(of) as folder,
        small_disk(folder / "postgres", megabytes=POSTGRES_MEGABYTES),
        house(folder, of.pg_bin) as made,
    ):
        await made.open()
        async with watched(made) as ledger:
            await full(made, ledger, folder / "postgres", "postgres")


async def full(made: House, ledger: Ledger, disk: Path, server: str) -> None:
    """Fill a disk under load, wait until that is seen, then make room and restart the server."""
    await some_load(ledger)
    ballast = fill(disk)
    try:
        await until(made.not_ready, seconds=RED_SECONDS, what=f"readiness to turn red for {server}'s full disk")
    finally:
        ballast.unlink()
    made.kill(server)
    await until(made.ready, seconds=_GREEN_SECONDS, what="readiness to turn green")


@contextmanager
def _room(of: House) -> Iterator[Path]:
    with TemporaryDirectory(prefix="disk-", dir=of.folder, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # as root, the user that PostgreSQL runs as must be able to pass through
        yield folder
