"""The whole application on a real PostgreSQL and a real NATS, each fresh."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import nats
import psycopg
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool

from api.deps import Pool, Resources
from connectors.publish import Publisher
from deploy.local.permissions import inbox_prefix
from tests.asking import Conn
from tests.serving import BASE, make, serving


@pytest.fixture
async def resources(postgres_urls: dict[str, str], nats_urls: Callable[[str], str]) -> AsyncIterator[Resources]:
    """Give the api's links to its servers, with the rights that it really has."""
    async with AsyncExitStack() as stack:
        read = await stack.enter_async_context(_pool(postgres_urls["read"]))
        write = await stack.enter_async_context(_pool(postgres_urls["write"]))
        nc = await nats.connect(nats_urls("api"), inbox_prefix=inbox_prefix("api"), max_reconnect_attempts=-1)
        stack.push_async_callback(nc.close)
        publisher = await stack.enter_async_context(Publisher(nc))
        yield Resources(read, write, publisher, nc)


def _pool(url: str) -> Pool:
    kwargs = {"autocommit": True}
    return AsyncConnectionPool(
        url, connection_class=psycopg.AsyncConnection[Any], kwargs=kwargs, min_size=1, max_size=4, timeout=5, open=False
    )


@pytest.fixture
def app(resources: Resources) -> FastAPI:
    """Give the application, not yet started."""
    return make(resources)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the running application that knows the token."""
    async with serving(app) as client:
        yield client


@pytest.fixture
async def stranger(client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the same application that knows no token."""
    async with httpx.AsyncClient(transport=client._transport, base_url=BASE) as stranger:
        yield stranger


@pytest.fixture
async def conn(postgres_urls: dict[str, str]) -> AsyncIterator[Conn]:
    """Give a connection to the same database that may write rows."""
    async with await psycopg.AsyncConnection.connect(postgres_urls["write"], autocommit=True) as conn:
        yield conn
