"""Nothing lost, nothing twice, under kill -9; and the controls that show that the tests would notice."""

import asyncio
import os
import random
from pathlib import Path
from time import monotonic

import pytest

from deploy.bench.counts import Miscounted
from deploy.bench.faults.accounting import balance, under_load, watched
from deploy.bench.faults.house import House, house
from deploy.bench.faults.senders import Ledger, sending, some_load
from deploy.bench.servers import until
from tests.faults.mutants import PAUSE_SECONDS, mutant

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

KILLS = 10


async def kill(made: House, *names: str, times: int, seed: int, pause: float = 0.8) -> None:
    """Kill roles in turn, at moments that the seed decides."""
    rng = random.Random(seed)
    for number in range(times):
        await asyncio.sleep(rng.uniform(pause / 2, pause * 1.5))  # when a kill comes is what is random
        made.kill(names[number % len(names)])


async def test_ten_kills_lose_and_double_nothing(stack_folder: Path, pg_bin: Path | None) -> None:
    seed = int(os.environ.get("TASKTRACKER_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print(f"seed {seed}")  # noqa: T201  # shown when the test fails: set TASKTRACKER_TEST_SEED to see it again
    with house(stack_folder, pg_bin) as made:
        await made.open()
        async with watched(made) as ledger:
            await kill(made, "dataflow", "relay", times=KILLS, seed=seed)
        assert len(ledger.acknowledged) > 500


async def test_late_acknowledgements_under_kills_double_nothing(stack_folder: Path, pg_bin: Path | None) -> None:
    with house(stack_folder, pg_bin, commands=mutant("acks-late", "dataflow")) as made:
        await made.open()
        async with under_load(made) as ledger:
            await kill(made, "dataflow", times=4, seed=1)
        found = await balance(made, ledger)
        assert found.wrong() == []


async def test_without_the_unique_key_messages_are_doubled(stack_folder: Path, pg_bin: Path | None) -> None:
    with house(stack_folder, pg_bin, commands=mutant("no-key", "dataflow")) as made:
        await made.open()
        await made.run("alter table messages drop constraint messages_workspace_source_external_id_key")
        async with under_load(made) as ledger:
            await kill(made, "dataflow", times=4, seed=1)
        found = await balance(made, ledger)
        assert found.doubled


async def test_acknowledging_before_the_commit_loses_messages(stack_folder: Path, pg_bin: Path | None) -> None:
    with house(stack_folder, pg_bin, commands=mutant("acks-first", "dataflow")) as made:
        await made.open()
        async with under_load(made) as ledger:
            await kill(made, "dataflow", times=4, seed=1)
        found = await balance(made, ledger)
        assert found.lost


async def test_termination_under_load_is_clean(stack_folder: Path, pg_bin: Path | None) -> None:
    with house(stack_folder, pg_bin) as made:
        await made.open()
        async with under_load(made) as ledger:
            for _ in range(3):
                await some_load(ledger)
                begun = monotonic()
                await made.stop("dataflow")
                assert monotonic() - begun < 10
                made.start("dataflow")
        found = await balance(made, ledger)
        assert found.wrong() == []


async def test_relays_without_lock_and_fence_spoil_the_order(stack_folder: Path, pg_bin: Path | None) -> None:
    with house(stack_folder, pg_bin, commands=mutant("unfenced", "relay")) as made:
        await made.open()
        made.start("second relay", like="relay")
        await made.at_work("second relay", beside=1)
        with pytest.raises(Miscounted, match="RESULTS"):
            async with watched(made) as ledger:
                await some_load(ledger, 500)


async def kill_leaders(made: House, *, times: int) -> None:
    """Kill the relay once it relays; raises Miscounted when one does not get so far."""
    last = 0

    async def relays() -> bool:
        nonlocal last
        [(position,)] = await made.rows("select coalesce(max(position), 0) from positions")
        before, last = last, int(position)
        return last > before

    for _ in range(times):
        await until(relays, seconds=15, what="a new position")
        await asyncio.sleep(PAUSE_SECONDS / 2)  # by now the next batch is published, and not yet marked
        made.kill("relay")
    await until(relays, seconds=15, what="a new position")


async def test_relays_killed_between_publishing_and_marking_leave_no_trace(
    stack_folder: Path, pg_bin: Path | None
) -> None:
    with house(stack_folder, pg_bin, commands=mutant("marks-late", "relay")) as made:
        await made.open()
        async with watched(made):
            await kill_leaders(made, times=3)


async def test_relay_that_does_not_reconcile_never_goes_on_after_a_kill(
    stack_folder: Path, pg_bin: Path | None
) -> None:
    with house(stack_folder, pg_bin, commands=mutant("no-reconciling", "relay")) as made:
        await made.open()
        with pytest.raises(Miscounted, match="a new position"):
            async with sending(made, Ledger()):
                await kill_leaders(made, times=3)
