"""Every fault by its name: what is done to a house, until it is over."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from random import Random
from typing import TypeAlias

from deploy.bench.faults import full_disks
from deploy.bench.faults.clock import HOUR
from deploy.bench.faults.house import ACK_WAIT_SECONDS, DOORS, SERVERS, House
from deploy.bench.faults.proxy import BADNESS

Fault: TypeAlias = Callable[[House, Random], Awaitable[None]]

FROZEN_SECONDS = 3 * ACK_WAIT_SECONDS
"""Long enough that NATS gives what a frozen role holds to somebody else."""

_BAD_SECONDS = (2.0, 15.0)
_WRONG_SECONDS = (3.0, 8.0)


def catalogue(house: House, *, away_seconds: float, disks: bool) -> Mapping[str, Fault]:
    """List what can be done to a house, by name.

    ``away_seconds``: how long a server may be away. ``disks``: whether small file systems can be mounted; clocks jump
    where the house has some, and links go bad where it has proxies.
    """
    found: dict[str, Fault] = {}
    for name in (*house.roles, *SERVERS):
        found[f"kill-{name}"] = partial(_kill, name)
        found[f"freeze-{name}"] = partial(_freeze, name)
    for name in SERVERS:
        found[f"away-{name}"] = partial(_away, name, away_seconds)
    found["rolling-restart"] = roll_all
    found |= dict(_of_links(house))
    if house.clocks:
        found |= {"clock-forwards": partial(_jump, HOUR), "clock-backwards": partial(_jump, -HOUR)}
    if disks:
        found |= {"disk-nats": full_disks.under_nats, "disk-postgres": full_disks.under_postgres}
    return found


async def roll_all(house: House, rng: Random) -> None:
    """Replace every role by a new process, one after the other."""
    for name in rng.sample(house.roles, len(house.roles)):
        await house.roll(name)


async def _kill(name: str, house: House, rng: Random) -> None:
    for _ in range(rng.randint(1, 3)):
        house.kill(name)
        await asyncio.sleep(rng.uniform(0.1, 1.5))  # when the next one comes is what is random


async def _freeze(name: str, house: House, _: Random) -> None:
    house.freeze(name)
    try:
        await asyncio.sleep(FROZEN_SECONDS)  # how long is what is tested
    finally:
        house.thaw(name)


async def _away(name: str, longest: float, house: House, rng: Random) -> None:
    await house.stop(name)
    await asyncio.sleep(rng.uniform(longest / 2, longest))  # how long is what is tested
    house.start(name)


async def _jump(seconds: int, house: House, rng: Random) -> None:
    """Set the clocks of some roles wrong, as each has a machine of its own; then all are right again: a second jump."""
    for name in rng.sample(house.roles, rng.randint(1, len(house.roles))):
        house.clocks[name].jump(seconds)
    try:
        await asyncio.sleep(rng.uniform(*_WRONG_SECONDS))  # how long is what is random
    finally:
        for clock in house.clocks.values():
            clock.jump(0)


async def _spoil(link: str, how: str, house: House, rng: Random) -> None:
    BADNESS[how](house.links[link])
    try:
        await asyncio.sleep(rng.uniform(*_BAD_SECONDS))  # how long is what is random
    finally:
        house.links[link].heal()


def _of_links(house: House) -> Iterator[tuple[str, Fault]]:
    for link in (*SERVERS, *DOORS):
        if link in house.links:
            for how in BADNESS:
                yield f"{how}-{link}", partial(_spoil, link, how)
