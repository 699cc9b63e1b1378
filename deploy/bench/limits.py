"""What each stage could do alone: publishing, pulling, and COPY of the rows that the flow writes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter

import psycopg
from psycopg import sql

from deploy import streams
from deploy.bench.counts import must_be
from deploy.bench.flow import Cost, publish
from deploy.bench.load import Load
from deploy.bench.servers import Servers
from deploy.settings import Settings
from pipelines.intake import Intake
from schemas import subjects
from schemas.messages import RawMessage
from schemas.subjects import Durable, Stream

IN_FLIGHT = 256
TOGETHER = 2_000
"""Messages whose rows are one transaction of COPY."""

ALL = ("people", "handles", "messages", "verdicts", "tasks", "evidence", "events", "outbox")
"""The tables that the flow fills, in the order of their references."""

STAGED = ("messages", "tasks")

_OF_MESSAGE = {
    "messages": "id",
    "verdicts": "message",
    "tasks": "origin",
    "evidence": "message",
    "events": "message",
    "outbox": "(select message from events where events.seq = outbox.seq)",
}
"""The message that a row belongs to; what is missing here stands before all messages."""


async def one_by_one(servers: Servers, load: Load, count: int) -> Cost:
    """Publish single messages, many of them in flight, each waiting for its own acknowledgement."""
    await servers.streams()
    messages = iter(load.raw(count, tag="single"))
    meter = servers.meter()
    async with servers.client() as nc:

        async def send() -> None:
            for message in messages:
                body = message.model_dump_json(exclude_none=True).encode()
                await nc.request(_subject(message), body, timeout=10)

        meter.start()
        begun = perf_counter()
        await asyncio.gather(*(send() for _ in range(IN_FLIGHT)))
        cost = Cost(count, perf_counter() - begun, meter.stop())
        must_be("messages in RAW", (await nc.jetstream().stream_info(Stream.RAW)).state.messages, count)
    return cost


async def pull(servers: Servers, load: Load, count: int) -> Cost:
    """Pull and acknowledge as the flow does, with nothing in between."""
    await servers.streams()
    await publish(servers, load, count, tag="pull")
    meter = servers.meter()
    async with servers.client("flow") as nc:
        intake = Intake(nc, {name: streams.consumer_config(name) for name in (Durable.LIVE, Durable.BULK)})
        meter.start()
        begun = perf_counter()
        await intake.start()
        taken = 0
        while taken < count:
            batch = intake.take()
            taken += len(batch)
            await intake.acknowledge(batch)
            if not batch:
                await asyncio.to_thread(intake.wait, 0.05)
        await nc.flush()
        cost = Cost(count, perf_counter() - begun, meter.stop())
        intake.stop()
        await intake.close()
    must_be("messages pulled", taken, count)
    return cost


def _subject(message: RawMessage) -> str:
    return subjects.bulk(message.workspace, message.channel, message.source)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one table, as COPY writes them."""

    table: str
    columns: tuple[str, ...]
    rows: bytes


def copied(servers: Servers, source: Settings, tables: Sequence[str]) -> list[list[Part]]:
    """Read the rows of a finished run out of its database, cut into transactions of ``TOGETHER`` messages."""
    with psycopg.connect(servers.address(source)) as conn:
        ids = [number for (number,) in conn.execute("select id from messages order by id").fetchall()]
        bounds = [0, *ids[TOGETHER - 1 :: TOGETHER]]
        if bounds[-1] < ids[-1]:
            bounds.append(ids[-1])
        return [
            [_part(conn, table, low, high) for table in tables if table in _OF_MESSAGE or low == 0]
            for low, high in pairwise(bounds)
        ]


def columns(conn: psycopg.Connection, table: str) -> tuple[str, ...]:
    """List the columns of a table that can be written."""
    query = """select column_name from information_schema.columns
               where table_name = %s and is_generated = 'NEVER' order by ordinal_position"""
    return tuple(name for (name,) in conn.execute(query, [table]).fetchall())


def _part(conn: psycopg.Connection, table: str, low: int, high: int) -> Part:
    names = columns(conn, table)
    where = f" where {_OF_MESSAGE[table]} > {low} and {_OF_MESSAGE[table]} <= {high}" if table in _OF_MESSAGE else ""
    with conn.cursor() as cursor, cursor.copy(f"copy (select {', '.join(names)} from {table}{where}) to stdout") as out:  # noqa: S608
        return Part(table, names, b"".join(bytes(some) for some in out))


def copy_in(servers: Servers, target: Settings, transactions: Sequence[Sequence[Part]], count: int) -> Cost:
    """Load the rows by plain COPY: nothing is asked, nothing could arrive twice."""
    meter = servers.meter()
    with psycopg.connect(servers.address(target), autocommit=True) as conn:
        meter.start()
        begun = perf_counter()
        for parts in transactions:
            with conn.transaction(), conn.cursor() as cursor:
                for part in parts:
                    with cursor.copy(_copy(part, part.table)) as into:
                        into.write(part.rows)
        seconds = perf_counter() - begun
    cost = Cost(count, seconds, meter.stop())
    _must_hold(servers, target, transactions)
    return cost


def copy_staged(servers: Servers, target: Settings, transactions: Sequence[Sequence[Part]], count: int) -> Cost:
    """Load the rows so that they may arrive twice: COPY to a table of the session, then INSERT unless there."""
    meter = servers.meter()
    with psycopg.connect(servers.address(target), autocommit=True) as conn:
        for part in transactions[0]:
            staged = sql.Identifier(f"staged_{part.table}")
            statement = "create temporary table {} (like {}) on commit delete rows"
            conn.execute(sql.SQL(statement).format(staged, sql.Identifier(part.table)))
        meter.start()
        begun = perf_counter()
        for parts in transactions:
            with conn.transaction(), conn.cursor() as cursor:
                for part in parts:
                    with cursor.copy(_copy(part, f"staged_{part.table}")) as into:
                        into.write(part.rows)
                    cursor.execute(_insert(part))
        seconds = perf_counter() - begun
    cost = Cost(count, seconds, meter.stop())
    _must_hold(servers, target, transactions)
    return cost


def _copy(part: Part, table: str) -> sql.Composed:
    names = sql.SQL(", ").join(map(sql.Identifier, part.columns))
    return sql.SQL("copy {} ({}) from stdin").format(sql.Identifier(table), names)


def _insert(part: Part) -> sql.Composed:
    names = sql.SQL(", ").join(map(sql.Identifier, part.columns))
    statement = "insert into {} ({}) overriding system value select {} from {} on conflict do nothing"
    places = sql.Identifier(part.table), names, names, sql.Identifier(f"staged_{part.table}")
    return sql.SQL(statement).format(*places)


def _must_hold(servers: Servers, target: Settings, transactions: Sequence[Sequence[Part]]) -> None:
    for table in ("messages", "tasks"):
        given = sum(part.rows.count(b"\n") for parts in transactions for part in parts if part.table == table)
        must_be(f"rows of {table} that COPY loaded", servers.count(target, table), given)
