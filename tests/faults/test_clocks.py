"""Clocks that jump by an hour, forwards and backwards: nothing is lost, doubled or out of order."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from deploy.bench.faults import clock
from deploy.bench.faults.accounting import watched
from deploy.bench.faults.clock import HOUR
from deploy.bench.faults.house import house
from deploy.bench.faults.senders import some_load
from tests.waiting import until

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(240),
    pytest.mark.skipif(clock.library() is None, reason="there is no libfaketime"),
]


async def test_clocks_jump_an_hour_and_back(stack_folder: Path, pg_bin: Path | None) -> None:
    with house(stack_folder, pg_bin, faketime=clock.library()) as made:
        await made.open()

        async def received(seconds: int) -> bool:
            [(at,)] = await made.rows("select received_at from messages order by id desc limit 1")
            off: float = (at - datetime.now(UTC)).total_seconds()
            return abs(off - seconds) < HOUR / 2

        async with watched(made) as ledger:
            await some_load(ledger)
            for names in (made.roles, ("dataflow",), ("relay",)):  # on one machine, and on machines of their own
                for seconds in (HOUR, -HOUR, 0):
                    for name in names:
                        made.clocks[name].jump(seconds)
                    if "api" in names:  # else there is no jump, and nothing is tested
                        await until(partial(received, seconds), seconds=20, what="a message of that hour")
                    await some_load(ledger)
