"""What the routes are given."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import psycopg
from fastapi import Depends, Header, Request
from nats.aio.client import Client
from psycopg_pool import AsyncConnectionPool

from api.fanout import Fanout
from api.roster import Roster
from connectors.publish import Publisher
from schemas.sources import NewSource

Conn: TypeAlias = psycopg.AsyncConnection[Any]
Pool: TypeAlias = AsyncConnectionPool[Conn]


@dataclass(frozen=True, slots=True)
class Resources:
    """The api's links to its servers: a pool that only reads, one that writes rows, NATS."""

    read: Pool
    write: Pool
    publisher: Publisher
    nats: Client


@dataclass(frozen=True, slots=True)
class House:
    """What lives as long as the application."""

    resources: Resources
    fanout: Fanout
    roster: Roster
    workspace: str
    check_source: Callable[[NewSource], None] | None


def house(request: Request) -> House:
    """Find what lives as long as the application."""
    found: House = request.app.state.house
    return found


async def _reading(request: Request) -> AsyncIterator[Conn]:
    async with house(request).resources.read.connection() as conn:
        yield conn


async def _writing(request: Request) -> AsyncIterator[Conn]:
    async with house(request).resources.write.connection() as conn, conn.transaction():
        yield conn


def _workspace(request: Request) -> str:
    return house(request).workspace


HouseDep: TypeAlias = Annotated[House, Depends(house)]
# Both end before the answer goes out: who is slow to read it holds no connection, who is told "changed" can rely on it.
Read: TypeAlias = Annotated[Conn, Depends(_reading, scope="function")]
Write: TypeAlias = Annotated[Conn, Depends(_writing, scope="function")]
Workspace: TypeAlias = Annotated[str, Depends(_workspace)]
IdempotencyKey: TypeAlias = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]

ACTOR = "owner"
"""Whoever holds the access token; people sign in by name later."""
