"""A database that holds many messages already: the rows of one run, copied under new ids."""

from collections.abc import Mapping

import psycopg

from deploy.bench.counts import must_be
from deploy.bench.limits import columns
from deploy.bench.servers import Servers
from deploy.settings import Settings

_SHIFTED: Mapping[str, Mapping[str, str]] = {
    "messages": {
        "id": "id + {messages}",
        "external_id": "external_id || '#{copy}'",
        "reply_to": "reply_to || '#{copy}'",
    },
    "verdicts": {"id": "id + {verdicts}", "message": "message + {messages}"},
    "tasks": {"id": "{task}", "number": "number + {tasks}", "origin": "origin + {messages}"},
    "evidence": {"task": "{task}", "message": "message + {messages}"},
    "events": {"seq": "seq + {events}", "id": "{event}", "task": "{task}", "message": "message + {messages}"},
}
"""What differs in the copy of a row, by table and column; {messages} and the like are the distance of ids."""

_TASK = {"tasks": "id", "evidence": "task", "events": "task"}
_KEYS = {"messages": "id", "verdicts": "id", "tasks": "number", "events": "seq"}
_OF_BASE = {"messages": "id", "verdicts": "message", "tasks": "origin", "evidence": "message", "events": "message"}


def fill(servers: Servers, settings: Settings, rows: int) -> None:
    """Bring a database that one run filled to ``rows`` messages with all that belongs to them, by COPY.

    Every event gets its position, as if the relay had told it.
    """
    address = servers.address(settings)
    with psycopg.connect(address, autocommit=True) as source, psycopg.connect(address, autocommit=True) as target:
        base = _base(source)
        [(count,)] = source.execute("select count(*) from messages").fetchall()
        copies = -(-rows // count)
        for number in range(1, copies):
            last = base["messages"] if number < copies - 1 else _last(source, rows - count * number)
            for table in _SHIFTED:
                _copy(source, target, table, _distances(base, number), last=last)
        target.execute("truncate outbox")
        target.execute("insert into positions (position, seq) select row_number() over (order by seq), seq from events")
        for table in ("messages", "verdicts", "events"):
            key = _KEYS[table]
            target.execute(
                f"select setval(pg_get_serial_sequence('{table}', '{key}'), (select max({key}) from {table}))"  # noqa: S608
            )
        target.execute("update task_numbers set last = (select coalesce(max(number), 0) from tasks)")
        target.execute("vacuum analyze")
    must_be("rows filled in", servers.count(settings, "messages"), rows)


def _base(conn: psycopg.Connection) -> dict[str, int]:
    return {
        table: conn.execute(f"select coalesce(max({key}), 0) from {table}").fetchall()[0][0]  # noqa: S608
        for table, key in _KEYS.items()
    }


def _last(conn: psycopg.Connection, count: int) -> int:
    """Tell the id of the last of so many messages."""
    [(last,)] = conn.execute("select max(id) from (select id from messages order by id limit %s)", [count]).fetchall()
    return int(last)


def _distances(base: Mapping[str, int], number: int) -> dict[str, str]:
    return {name: str(greatest * number) for name, greatest in base.items()} | {"copy": str(number)}


def _copy(
    source: psycopg.Connection, target: psycopg.Connection, table: str, distances: Mapping[str, str], *, last: int
) -> None:
    names = columns(source, table)
    named = {
        "task": f"md5({_TASK.get(table, 'null')}::text || '#{distances['copy']}')::uuid",
        "event": f"md5(id::text || '#{distances['copy']}')::uuid",
    }
    shifted = {name: how.format(**distances, **named) for name, how in _SHIFTED[table].items()}
    chosen = ", ".join(shifted.get(name, name) for name in names)
    out_of = f"copy (select {chosen} from {table} where {_OF_BASE[table]} <= {last}) to stdout"  # noqa: S608
    into = f"copy {table} ({', '.join(names)}) from stdin"
    with (
        target.cursor().copy(into.encode()) as given,
        source.cursor().copy(out_of.encode()) as taken,
    ):
        for some in taken:
            given.write(some)
