"""Retention: dead letters that nobody looked at for long are dropped, and told."""

import asyncio
import logging
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from pipelines.store import dead_sweep
from schemas.dead import DeadState

_log = logging.getLogger(__name__)

EVERY_SECONDS = 3600.0


async def forget(
    pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]],
    stop: asyncio.Event,
    *,
    days: int,
    every_seconds: float = EVERY_SECONDS,
) -> None:
    """Drop the dead letters that are older than ``days``, now and then, until ``stop``."""
    while not stop.is_set():
        try:
            await _forget(pool, stop, days)
        except (psycopg.Error, PoolTimeout, OSError) as error:
            _log.warning("old dead letters are still there: %s", str(error).partition("\n")[0] or repr(error))
        try:
            await asyncio.wait_for(stop.wait(), every_seconds)
        except TimeoutError:
            continue


async def _forget(pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]], stop: asyncio.Event, days: int) -> None:
    while not stop.is_set():
        async with pool.connection() as conn:
            gone = await dead_sweep.forget(conn, days=days)
        if not gone:
            return
        _log.warning(
            "%d dead letters were dropped after %d days; %d of them still waited for a person",
            sum(gone.values()),
            days,
            gone.get(DeadState.WAITING, 0),
        )
