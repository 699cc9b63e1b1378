"""Messages at rest: one row each, advanced only by a newer revision, with all that was read out of it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID, uuid5

from psycopg import AsyncConnection

from pipelines.store import events, readings, revise, verdicts
from pipelines.store.events import NewEvent
from pipelines.store.recordset import recordset
from schemas.events import EventType
from schemas.messages import Key, Kind, Message, RawMessage
from schemas.tasks import Extracted

_PEOPLE = UUID("0d1f7f0c-6c0e-4f5e-9d6a-5a1b7a0f4d11")


class Refused(NamedTuple):
    """An item that the store will not take, by its place in the batch."""

    place: int
    reason: str


_Stored: TypeAlias = tuple[int, Extracted]
"""The id of a message's row, and what was read out of it."""


@dataclass(slots=True)
class Persisted:
    """What became of a batch: every item is inserted, advanced, unchanged (seen before, or late) or refused."""

    inserted: int = 0
    advanced: int = 0
    unchanged: int = 0
    refused: list[Refused] = field(default_factory=list)


async def persist(conn: AsyncConnection[Any], batch: Sequence[Extracted]) -> Persisted:
    """Store messages, verdicts, tasks, evidence and events in one transaction, each once however often it comes.

    Derived rows are written only for the messages that this very transaction inserts or advances. Locks are taken in
    one order by everybody (messages by key, people, tasks, task numbers), so that replicas never wait in a circle.
    """
    async with conn.transaction():
        outcome = Persisted(refused=await _unregistered(conn, batch))
        refused = {place for place, _ in outcome.refused}
        items = [item for place, item in enumerate(batch) if place not in refused]
        if not items:
            return outcome
        newest: dict[Key, Extracted] = {}
        for item in sorted(items, key=_rank):
            newest[item.message.key] = item
        changed = await _upsert(conn, [newest[key] for key in sorted(newest)])
        await _meet(conn, items)
        arrival = {item.message.key: place for place, item in enumerate(items)}
        changed.sort(key=lambda row: arrival[row.key])
        inserted = [(row.id, newest[row.key]) for row in changed if row.inserted]
        advanced = [(row.id, newest[row.key]) for row in changed if not row.inserted]
        if len(changed) < len(items):
            shown = {id(item) for _, item in (*inserted, *advanced)}
            await _keep_late(conn, [item for item in items if id(item) not in shown])
        await _derive(conn, inserted, advanced)
    outcome.inserted, outcome.advanced = len(inserted), len(advanced)
    outcome.unchanged = len(items) - len(changed)
    return outcome


async def _derive(conn: AsyncConnection[Any], inserted: Sequence[_Stored], advanced: Sequence[_Stored]) -> None:
    """Write what follows from the messages of this transaction, and tell of it in the order of the messages."""
    revised = await revise.revise(conn, advanced)
    births = [
        readings.Birth(message, item, ordinal, extraction)
        for message, item in inserted
        for ordinal, extraction in enumerate(item.tasks)
    ]
    born = list(zip(births + revised.births, await readings.bear(conn, births + revised.births), strict=True))
    told_tasks: dict[int, list[NewEvent]] = defaultdict(list)
    standing: dict[int, list[UUID]] = defaultdict(list, revised.standing)
    for birth, task in born:
        told_tasks[birth.message].append(readings.told_created(birth, task))
        if birth.message not in revised.standing:
            standing[birth.message].append(task.id)
    everything = [
        *((message, item, EventType.MESSAGE_PROCESSED) for message, item in inserted),
        *((message, item, EventType.MESSAGE_EDITED) for message, item in advanced),
    ]
    await verdicts.record(
        conn, [(item.message.raw.workspace, message, item.verdict) for message, item, _ in everything]
    )
    told: list[NewEvent] = []
    for message, item, kind in everything:
        if item.message.raw.kind is Kind.DELETE:
            told.append(readings.told_deleted(message, item.message))
        else:
            told.append(readings.told_message(kind, message, item, standing[message]))
        told += told_tasks[message]
    await events.append(conn, told)


class _Changed(NamedTuple):
    id: int
    key: Key
    inserted: bool


def _rank(item: Extracted) -> tuple[bool, int, str]:
    raw = item.message.raw
    return raw.kind is Kind.DELETE, raw.revision, raw.digest


async def _unregistered(conn: AsyncConnection[Any], batch: Sequence[Extracted]) -> list[Refused]:
    """Refuse what no registered source of its workspace and channel sent; keep the others registered meanwhile."""
    wanted = {(raw.workspace, raw.source, raw.channel) for raw in (item.message.raw for item in batch)}
    workspaces, sources, channels = zip(*sorted(wanted), strict=True)
    rows = await conn.execute(_REGISTERED, [list(workspaces), list(sources), list(channels)])
    known = set(await rows.fetchall())
    return [
        Refused(place, f"{raw.key}: no source {raw.source} of channel {raw.channel} in workspace {raw.workspace}")
        for place, raw in enumerate(item.message.raw for item in batch)
        if (raw.workspace, raw.source, raw.channel) not in known
    ]


async def _upsert(conn: AsyncConnection[Any], items: Sequence[Extracted]) -> list[_Changed]:
    rows = await conn.execute(_UPSERT, [_rows([item.message for item in items])])
    return [
        _Changed(number, Key(workspace, source, external_id), inserted)
        for number, workspace, source, external_id, inserted in await rows.fetchall()
    ]


def _rows(messages: Sequence[Message]) -> str:
    return recordset([_row(message.raw, message) for message in messages])


def _row(raw: RawMessage, message: Message) -> dict[str, Any]:
    return {
        "workspace": raw.workspace,
        "source": raw.source,
        "external_id": raw.external_id,
        "channel": raw.channel,
        "kind": raw.kind,
        "revision": raw.revision,
        "digest": raw.digest,
        "origin": raw.origin,
        "conversation": raw.conversation,
        "thread": raw.thread,
        "reply_to": raw.reply_to,
        "author": raw.author,
        "author_name": raw.author_name,
        "sent_at": raw.sent_at,
        "received_at": raw.received_at,
        "text": message.text,
        "language": message.language,
        "links": message.links,
        "mentions": message.mentions,
        "attachments": raw.attachments,
        "payload": raw.payload,
    }


async def _meet(conn: AsyncConnection[Any], items: Sequence[Extracted]) -> None:
    """Make a person of every author seen for the first time."""
    met = {
        (raw.workspace, raw.channel, raw.author): raw.author_name or raw.author
        for raw in (item.message.raw for item in items)
        if raw.author
    }
    if not met:
        return
    rows = [(str(uuid5(_PEOPLE, "\x1f".join(handle))), *handle, name) for handle, name in sorted(met.items())]
    await conn.execute(_MEET, [list(column) for column in zip(*rows, strict=True)])


async def _keep_late(conn: AsyncConnection[Any], items: Sequence[Extracted]) -> None:
    """Keep versions that came after a newer one; what is stored already (a redelivery) adds nothing."""
    await conn.execute(_KEEP_LATE, [_rows([item.message for item in items])])


_REGISTERED = """
select workspace, slug, channel from sources
where (workspace, slug, channel) in (select * from unnest(%s::text[], %s::text[], %s::text[]))
for key share
"""

_GIVEN = """
json_to_recordset(%s::json)
    as given(workspace text, source text, external_id text, channel text, kind text, revision bigint, digest text,
             origin text, conversation text, thread text, reply_to text, author text, author_name text,
             sent_at timestamptz, received_at timestamptz, text text, language text, links jsonb, mentions jsonb,
             attachments jsonb, payload jsonb)
"""

_UPSERT = f"""
insert into messages as held (workspace, source, external_id, channel, kind, revision, digest, origin, conversation,
    thread, reply_to, author, author_name, sent_at, received_at, text, language, links, mentions, attachments, payload)
select workspace, source, external_id, channel, kind, revision, digest, origin, conversation,
    thread, reply_to, author, author_name, sent_at, received_at, text, language, links, mentions, attachments, payload
from {_GIVEN}
on conflict (workspace, source, external_id) do update set
    kind = excluded.kind, revision = excluded.revision, digest = excluded.digest, text = excluded.text,
    language = excluded.language, links = excluded.links, mentions = excluded.mentions,
    attachments = excluded.attachments, payload = excluded.payload, received_at = excluded.received_at,
    conversation = coalesce(excluded.conversation, held.conversation),
    thread = coalesce(excluded.thread, held.thread), reply_to = coalesce(excluded.reply_to, held.reply_to),
    author = coalesce(excluded.author, held.author), author_name = coalesce(excluded.author_name, held.author_name),
    processed_at = clock_timestamp()
where (excluded.kind = 'delete', excluded.revision, excluded.digest)
    > (held.kind = 'delete', held.revision, held.digest)
returning id, workspace, source, external_id, xmax = 0
"""  # xmax is 0 in a row that this statement inserted, and the updating transaction in one that it advanced

_MEET = """
with met as (
    select * from unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[])
        as met(id, workspace, channel, handle, name)
), fresh as (
    insert into people (id, workspace, name) select id, workspace, name from met
    where not exists (select from handles where (handles.workspace, handles.channel, handles.handle)
                                              = (met.workspace, met.channel, met.handle))
    on conflict do nothing
)
insert into handles (workspace, channel, handle, person) select workspace, channel, handle, id from met
on conflict do nothing
"""

_KEEP_LATE = f"""
insert into revisions (message, kind, revision, digest, text, payload, received_at)
select messages.id, given.kind, given.revision, given.digest, given.text, given.payload, given.received_at
from {_GIVEN} join messages using (workspace, source, external_id)
where (given.revision, given.digest) <> (messages.revision, messages.digest)
on conflict do nothing
"""
