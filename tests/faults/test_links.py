"""Links that are slow, cut, half-closed or silent: no wait without an end, and the books balance."""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.faults.house import House, house, watched
from tests.faults.proxy import FAULTS, Proxy, proxy

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

BAD_SECONDS = 3.0


async def behind_proxies(made: House, stack: AsyncExitStack) -> dict[str, Proxy]:
    """Put a proxy between all roles and each server."""
    links = {
        "nats": await stack.enter_async_context(proxy(made.nats.port)),
        "postgres": await stack.enter_async_context(proxy(made.postgres.port)),
    }
    made.settings = made.settings.model_copy(
        update={
            "nats_url": SecretStr(f"nats://127.0.0.1:{links['nats'].port}"),
            "database_url": SecretStr(f"postgresql://127.0.0.1:{links['postgres'].port}/tasktracker"),
        }
    )
    return links


async def test_links_of_every_kind_of_badness_lose_and_double_nothing(stack_folder: Path, pg_bin: Path | None) -> None:
    rng = random.Random(7)
    faults = list(FAULTS.values())
    with house(stack_folder, pg_bin) as made:
        async with AsyncExitStack() as stack:
            links = await behind_proxies(made, stack)
            await made.open()
            async with watched(made) as ledger:
                for number, fault in enumerate(faults):
                    await asyncio.sleep(rng.uniform(0.5, 1.0))  # when it comes is what is random
                    fault(links["nats"])
                    faults[number - 1](links["postgres"])
                    await asyncio.sleep(BAD_SECONDS)  # how long is what is tested
                    for link in links.values():
                        link.heal()
            assert len(ledger.acknowledged) > 100
            for name in ("flow", "relay", "api"):  # in a thread: here run the proxies, which they need to say good-bye
                assert await asyncio.to_thread(made.stop, name) == 0
