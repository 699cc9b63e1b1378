"""A connection of the role that writes, with one source registered."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from pipelines.store import sources
from tests.asking import Conn


@pytest.fixture
async def conn(postgres_urls: dict[str, str]) -> AsyncIterator[Conn]:
    """Give a connection that may write rows; the source ``chat`` of channel ``telegram`` is registered."""
    async with await psycopg.AsyncConnection.connect(postgres_urls["write"], autocommit=True) as conn:
        async with conn.transaction():
            await sources.ensure(conn, "default", "chat", "telegram")
        yield conn
