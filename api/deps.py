"""What the routes are given."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import psycopg
from fastapi import Depends, Header, Query, Request
from nats.aio.client import Client
from psycopg_pool import AsyncConnectionPool

from api.fanout import Fanout
from connectors.publish import Publisher

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
    workspace: str


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
Read: TypeAlias = Annotated[Conn, Depends(_reading)]
# Committed before the answer goes out: who is told "changed" can rely on it.
Write: TypeAlias = Annotated[Conn, Depends(_writing, scope="function")]
Workspace: TypeAlias = Annotated[str, Depends(_workspace)]
Limit: TypeAlias = Annotated[int, Query(ge=1, le=200)]
Cursor: TypeAlias = Annotated[str | None, Query(max_length=200)]
IdempotencyKey: TypeAlias = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]

ACTOR = "owner"
"""Whoever holds the access token; people sign in by name later."""
