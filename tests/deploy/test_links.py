"""deploy/links.py: what only the client's callback hears of is counted; nobody waits for a server that stands still."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic

import psycopg
import pytest
from pydantic import SecretStr

from deploy import links
from deploy.settings import Settings
from pipelines import metrics
from tests.waiting import until


async def test_refused_subject_is_counted_and_logged(
    nats_urls: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    def counted() -> float:
        value: float = metrics.NATS_ERRORS.labels("inlets")._value.get()
        return value

    before = counted()
    async with links.nats_client(
        Settings(nats_url=SecretStr(nats_urls("inlets"))), "inlets", closed=lambda: None
    ) as nc:
        await nc.publish("raw.default.webhook.ci", b"allowed")
        await nc.flush()
        assert counted() == before
        await nc.publish("results.default.task.created", b"refused, and the caller hears nothing of it")
        await until(lambda: counted() == before + 1, what="the refusal to be counted")
    assert "permissions violation" in caplog.text.lower()


@asynccontextmanager
async def opened(url: str, *, held_seconds: float) -> AsyncIterator[links.Pool]:
    """Open a pool of one connection."""
    base, _, name = url.rpartition("/")
    settings = Settings(database_url=SecretStr(f"{base}/{name}"))
    async with links.pool(settings, "read", size=1, held_seconds=held_seconds) as pool:
        yield pool


async def test_connection_that_gets_no_answer_is_cut_off_and_replaced(postgres_urls: dict[str, str]) -> None:
    async with opened(postgres_urls["read"], held_seconds=0.3) as pool:
        begun = monotonic()
        with pytest.raises(psycopg.OperationalError):
            async with pool.connection() as conn:
                await conn.execute("select pg_sleep(20)")
        assert monotonic() - begun < 5
        async with pool.connection() as conn:
            assert await (await conn.execute("select 1")).fetchone() == (1,)


async def test_without_the_cut_it_would_be_waited_for(postgres_urls: dict[str, str]) -> None:
    async with opened(postgres_urls["read"], held_seconds=20) as pool, pool.connection() as conn:
        begun = monotonic()
        await conn.execute("select pg_sleep(1)")
        assert monotonic() - begun >= 1


async def test_connection_that_is_given_back_in_time_is_not_cut_off(postgres_urls: dict[str, str]) -> None:
    async with opened(postgres_urls["read"], held_seconds=0.3) as pool:
        async with pool.connection() as conn:
            first = conn.info.backend_pid
        begun = monotonic()
        async with pool.connection() as conn:
            await conn.execute("select 1")
        await until(lambda: monotonic() > begun + 0.5, what="the time to pass")
        async with pool.connection() as conn:
            assert conn.info.backend_pid == first


async def test_server_looks_after_a_client_that_is_gone_without_a_word(postgres_urls: dict[str, str]) -> None:
    wanted = {"idle_in_transaction_session_timeout": "1min", "tcp_user_timeout": "15000", "tcp_keepalives_idle": "10"}
    async with opened(postgres_urls["read"], held_seconds=5) as pool, pool.connection() as conn:
        shown = {name: await (await conn.execute(f"show {name}".encode())).fetchone() for name in wanted}
    assert shown == {name: (value,) for name, value in wanted.items()}
