"""Full disks: nothing is accepted that is not kept, and all that was acknowledged is there afterwards."""

import asyncio
from pathlib import Path

import pytest

from deploy.bench.faults.accounting import balance, under_load, watched
from deploy.bench.faults.disk import fill, may_mount, small_disk
from deploy.bench.faults.full_disks import NATS_MEGABYTES, POSTGRES_MEGABYTES, RED_SECONDS, full
from deploy.bench.faults.house import house
from deploy.bench.faults.senders import Ledger, some_load
from tests.faults.mutants import mutant
from tests.waiting import until

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not may_mount(), reason="only root can mount a small file system"),
]


async def test_full_disk_under_nats_is_said_at_once_and_costs_nothing_that_was_acknowledged(
    stack_folder: Path, pg_bin: Path | None
) -> None:
    disk = stack_folder / "nats"
    with small_disk(disk, megabytes=NATS_MEGABYTES), house(stack_folder, pg_bin) as made:
        await made.open()
        async with watched(made) as ledger:
            await some_load(ledger)
            ballast = fill(disk)
            await until(made.not_ready, seconds=RED_SECONDS, what="readiness to turn red")
            await refusing(ledger)
            ballast.unlink()
            made.kill("nats")
            await until(made.ready, seconds=20, what="readiness to turn green")


async def test_full_disk_under_postgres_is_said_at_once_and_costs_nothing_that_was_acknowledged(
    stack_folder: Path, pg_bin: Path | None
) -> None:
    disk = stack_folder / "postgres"
    with small_disk(disk, megabytes=POSTGRES_MEGABYTES), house(stack_folder, pg_bin) as made:
        await made.open()
        async with watched(made) as ledger:
            await full(made, ledger, disk, "postgres")


async def test_door_that_answers_before_nats_loses_on_a_full_disk(stack_folder: Path, pg_bin: Path | None) -> None:
    disk = stack_folder / "nats"
    commands = mutant("answer-first", "api")
    with small_disk(disk, megabytes=NATS_MEGABYTES), house(stack_folder, pg_bin, commands=commands) as made:
        await made.open()
        async with under_load(made) as ledger:
            await some_load(ledger)
            ballast = fill(disk)
            await some_load(ledger)
            ballast.unlink()
            made.kill("nats")
            await until(made.ready, seconds=20, what="readiness to turn green")
        assert (await balance(made, ledger)).lost


async def refusing(ledger: Ledger) -> None:
    """Wait until senders are refused, and see that nothing more is acknowledged then."""
    refused = ledger.refused
    await until(lambda: ledger.refused > refused + 4, seconds=30, what="refusals")
    acknowledged = len(ledger.acknowledged)
    await asyncio.sleep(1.0)  # in which a careless inlet would accept
    assert len(ledger.acknowledged) == acknowledged
