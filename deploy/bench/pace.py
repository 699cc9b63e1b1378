"""A steady pace, kept whatever the steps cost."""

import asyncio
from collections.abc import AsyncGenerator
from itertools import count
from time import perf_counter


async def steps(per_second: float) -> AsyncGenerator[int]:
    """Yield 0, 1, 2 ... at the times when they are due; one that comes late is not skipped."""
    begun = perf_counter()
    for number in count():
        wait = begun + number / per_second - perf_counter()
        await asyncio.sleep(max(wait, 0))
        yield number
