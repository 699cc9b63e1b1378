"""Links that are slow, cut, half-closed or silent: no wait without an end, and the books balance."""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from deploy.bench.faults.accounting import watched
from deploy.bench.faults.house import house
from deploy.bench.faults.proxy import BADNESS

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

BAD_SECONDS = 3.0


async def test_links_of_every_kind_of_badness_lose_and_double_nothing(stack_folder: Path, pg_bin: Path | None) -> None:
    rng = random.Random(7)
    faults = list(BADNESS.values())
    with house(stack_folder, pg_bin) as made:
        async with AsyncExitStack() as stack:
            await made.behind_proxies(stack)
            await made.open()
            async with watched(made) as ledger:
                for number, fault in enumerate(faults):
                    await asyncio.sleep(rng.uniform(0.5, 1.0))  # when it comes is what is random
                    fault(made.links["nats"])
                    faults[number - 1](made.links["postgres"])
                    await asyncio.sleep(BAD_SECONDS)  # how long is what is tested
                    for link in made.links.values():
                        link.heal()
            assert len(ledger.acknowledged) > 100
            for name in made.roles:
                await made.stop(name)
