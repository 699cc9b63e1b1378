"""Health: is the process alive, can it serve, and how does the whole pipeline do."""

import asyncio
from functools import cache
from http import HTTPStatus
from typing import Any

import nats.errors
import nats.js.errors
import psycopg
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from psycopg_pool import PoolTimeout

from api import deps
from api.problems import problem
from api.queries import health
from pipelines.store.migrate import newest
from schemas.subjects import Durable, Stream

router = APIRouter(tags=["health"])

_SECONDS = 2.0

_newest = cache(newest)
"""Read from the files of the migrations once."""

_STREAMS = {
    Durable.LIVE: Stream.RAW,
    Durable.BULK: Stream.RAW,
    Durable.BURY: Stream.DEAD,
    Durable.ADVISORIES: Stream.DEAD,
    Durable.REQUEUE: Stream.RESULTS,
    Durable.COMMANDS: Stream.COMMANDS,
}


@router.get("/api/health/live")
async def live() -> dict[str, str]:
    """Say that the process is up."""
    return {"status": "ok"}


@router.get("/api/health/ready", response_model=None)
async def ready(house: deps.HouseDep) -> JSONResponse | dict[str, str]:
    """Say whether requests can be served: database and NATS do their part, no role is kept from its work."""
    wrong = []
    if (database := await _database(house))["status"] != "ok":
        wrong.append(f"database: {database['status']}")
    if not house.resources.nats.is_connected:
        wrong.append("nats: not connected")
    elif house.resources.publisher.stalled:
        wrong.append("nats: does not confirm what is published")
    wrong += house.roster.troubles()
    if wrong:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "; ".join(wrong), headers={"Retry-After": "2"})
    return {"status": "ok"}


@router.get("/api/health")
async def full(house: deps.HouseDep) -> dict[str, Any]:
    """Show the servers, the roles that say they live, what waits at each durable, the relay's lag, and the sockets."""
    database = await _database(house)
    return {
        "database": database,
        "nats": {"status": "ok" if house.resources.nats.is_connected else "not connected"},
        "roles": house.roster.roles(),
        "durables": await _durables(house),
        "sockets": house.fanout.sockets,
        "position": house.fanout.position,
    }


async def _database(house: deps.House) -> dict[str, Any]:
    try:
        async with asyncio.timeout(_SECONDS), house.resources.read.connection() as conn:
            revision = await health.revision(conn)
            relay = await health.relay_lag(conn)
    except (psycopg.OperationalError, PoolTimeout, TimeoutError, OSError):
        return {"status": "away"}
    except psycopg.ProgrammingError:
        return {"status": "not of our shape: run `tasktracker migrate`"}
    wanted = _newest()
    status = "ok" if revision == wanted else f"at revision {revision}, not {wanted}: run `tasktracker migrate`"
    return {"status": status, "relay": relay}


async def _durables(house: deps.House) -> dict[str, Any]:
    return dict(zip(_STREAMS, await asyncio.gather(*(_durable(house, name) for name in _STREAMS)), strict=True))


async def _durable(house: deps.House, name: Durable) -> dict[str, Any]:
    try:
        js = house.resources.nats.jetstream(timeout=_SECONDS)
        info = await js.consumer_info(_STREAMS[name], name)
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
        return {"status": type(error).__name__}
    return {"status": "ok", "waiting": info.num_pending, "held": info.num_ack_pending, "pulls": info.num_waiting}
