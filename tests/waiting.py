"""Waiting for a condition, with a deadline."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from time import monotonic


async def until(condition: Callable[[], bool | Awaitable[bool]], *, seconds: float = 10.0, what: str = "it") -> None:
    """Return when the condition holds; fail when it does not in time."""
    deadline = monotonic() + seconds
    while True:
        met = condition()
        if inspect.isawaitable(met):
            met = await met
        if met:
            return
        assert monotonic() < deadline, f"waited {seconds} s for {what}"
        await asyncio.sleep(0.02)
