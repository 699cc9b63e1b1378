"""deploy/backstage.py: a role does all that it is for, with the rights that it has."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import nats
import psycopg
import pytest
from pydantic import SecretStr

from deploy import backstage
from deploy.roles import Role
from deploy.settings import Settings
from pipelines.burial import bury, letter
from pipelines.relay import encode
from pipelines.store import dead, outbox
from schemas import subjects
from schemas.dead import dead_letter_id
from tests.asking import Conn, rows
from tests.making import NOON, raw
from tests.waiting import until

SUBJECT = "raw.default.telegram.chat"
WHOLE = raw().model_dump_json().encode()
Urls = Callable[[str], str]


@pytest.fixture
async def conn(postgres_urls: dict[str, str]) -> AsyncIterator[Conn]:
    async with await psycopg.AsyncConnection.connect(postgres_urls["write"], autocommit=True) as conn:
        yield conn


@asynccontextmanager
async def playing(role: Role, database: str, broker: str) -> AsyncIterator[None]:
    stop = asyncio.Event()
    settings = Settings(database_url=SecretStr(database), nats_url=SecretStr(broker), dead_letter_days=7)
    async with asyncio.TaskGroup() as group:
        group.create_task(_as_role(role, settings, stop))
        yield
        stop.set()


async def _as_role(role: Role, settings: Settings, stop: asyncio.Event) -> None:
    await role(settings, stop)


async def keep(conn: Conn) -> UUID:
    found = dead_letter_id(SUBJECT, "persist", WHOLE)
    await dead.keep(conn, letter=found, subject=SUBJECT, stage="persist", reason="no", body=WHOLE, at=NOON, seq=1)
    return found


async def test_bury_stores_what_died_and_what_was_given_up_and_drops_what_is_old(
    conn: Conn, nats_urls: Urls, postgres_urls: dict[str, str]
) -> None:
    await keep(conn)
    await conn.execute("update dead_letters set last_at = now() - interval '8 days'")
    admin = await nats.connect(nats_urls("admin"))
    await bury(admin, letter(SUBJECT, b"died", stage="decode", reason="no"))
    await admin.jetstream().publish(subjects.GIVEN_UP.replace(">", "RAW.flow-live"), b"given up")

    async def done() -> bool:
        found = await rows(conn, "select stage from dead_letters order by stage")
        return [row["stage"] for row in found] == ["decode", "deliver"]

    async with playing(backstage.bury, postgres_urls["write"], nats_urls("lanes")):
        await until(done, what="two new letters, and the old one gone")
    await admin.close()


async def test_requeue_sends_what_was_asked_for(conn: Conn, nats_urls: Urls, postgres_urls: dict[str, str]) -> None:
    wanted = await dead.requeue(conn, "default", await keep(conn), actor="owner")
    admin = await nats.connect(nats_urls("admin"))
    js = admin.jetstream()
    [*_, event] = await outbox.pending(conn, limit=10)
    await js.publish(subjects.results("default", event.type), encode(event, 1))

    async def sent() -> bool:
        return (await js.stream_info("RAW")).state.messages == 1

    async with playing(backstage.requeue, postgres_urls["write"], nats_urls("requeue")):
        await until(sent, what="the letter")
    found = await js.get_msg("RAW", 1)
    assert (found.data, (found.headers or {})["Nats-Msg-Id"]) == (WHOLE, str(wanted.requeue))
    await admin.close()
