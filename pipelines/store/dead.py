"""Dead letters at rest: kept until a person mends, requeues or drops them; the change and its event are one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row

from pipelines.store import events
from pipelines.store.events import NewEvent
from pipelines.store.recordset import recordset
from pipelines.store.roads import why_not
from schemas.dead import DeadLetter, sent_id
from schemas.errors import Conflict, NotFound
from schemas.events import EventType

COLUMNS = """id, workspace, subject, stage, reason, body, edited, edited_at, state, version, tries, first_at, last_at,
    requeue, asked_at, requeued_at"""
"""What makes a DeadLetter, in SQL."""

_KNOWN_WORKSPACES = ("raw", "bulk", "commands", "results")


async def keep(
    conn: AsyncConnection[Any],
    *,
    letter: UUID,
    subject: str,
    stage: str,
    reason: str,
    body: bytes,
    at: datetime,
    seq: int,
) -> None:
    """Store a dead letter, or count one more try of a known one; ``seq`` (in DEAD) makes a redelivery add nothing.

    Bytes that were sent round again are one more try of their letter, whatever it was before it was mended and
    wherever they died this time.
    """
    workspace = workspace_of(subject)
    given = {"letter": letter, "workspace": workspace, "subject": subject, "stage": stage, "reason": reason}
    async with conn.transaction():
        rows = await conn.execute(_KEEP, given | {"body": body, "seq": seq, "at": at, "sent": sent_id(subject, body)})
        kept = await rows.fetchone()
        if kept is None:
            return
        found, tries = kept
        data = {"id": str(found), "stage": stage, "reason": reason, "subject": subject, "tries": tries}
        if found != letter:
            data["name"] = str(letter)  # what these bytes are called, for whoever looks for them
        await events.append(conn, [NewEvent(workspace, EventType.DEAD_BURIED, "bury", data=data)])


async def get(conn: AsyncConnection[Any], workspace: str, letter: UUID, *, version: int | None = None) -> DeadLetter:
    """Read one dead letter and lock it; raises NotFound, and Conflict when it has another version (None: any)."""
    async with conn.cursor(row_factory=class_row(DeadLetter)) as cursor:
        await cursor.execute(_GET, [workspace, letter])
        found = await cursor.fetchone()
    if found is None:
        raise NotFound(f"no dead letter {letter}")
    if version is not None and version != found.version:
        raise Conflict(f"dead letter {letter} is at version {found.version} now, not {version}: read it again")
    return found


async def edit(
    conn: AsyncConnection[Any], workspace: str, letter: UUID, body: bytes, *, actor: str, version: int | None
) -> DeadLetter:
    """Give a letter other bytes, beside its original ones; the same bytes again change nothing.

    It waits for a person then: a requeue that has not gone yet is taken back. Raises NotFound and Conflict (see get).
    """
    held = await get(conn, workspace, letter, version=version)
    if body == held.present:
        return held
    await conn.execute(_EDIT, {"letter": letter, "edited": None if body == held.body else body})
    changed = await get(conn, workspace, letter)
    data = _of(changed) | {"bytes": len(body), "version": changed.version}
    await events.append(conn, [NewEvent(workspace, EventType.DEAD_EDITED, actor, data=data)])
    return changed


async def requeue(conn: AsyncConnection[Any], workspace: str, letter: UUID, *, actor: str) -> DeadLetter:
    """Ask for a letter to be sent round again, which the lane requeue does; asked twice, the last wish counts.

    Raises NotFound, and Conflict for one that would die again at once.
    """
    held = await get(conn, workspace, letter)
    reason = why_not(held.subject, held.present)
    if reason is not None:
        raise Conflict(reason)
    await ask(conn, [held], actor=actor)
    return await get(conn, workspace, letter)


async def ask(conn: AsyncConnection[Any], letters: Sequence[DeadLetter], *, actor: str) -> None:
    """Note of letters, locked and fit to be sent, that somebody wants them to go round again."""
    given = [{"id": each.id, "sent": sent_id(each.subject, each.present)} for each in letters]
    rows = await conn.execute(_ASK, [recordset(given)])
    names = dict(await rows.fetchall())
    told = [
        NewEvent(
            each.workspace,
            EventType.DEAD_REQUEUED,
            actor,
            data=_of(each) | {"requeue": str(names[each.id]), "edited": each.edited is not None},
        )
        for each in letters
    ]
    await events.append(conn, told)


async def asked(conn: AsyncConnection[Any], workspace: str, letter: UUID, requeue: UUID) -> DeadLetter | None:
    """Lock a letter that is to be sent by this wish; None: it went, or was edited, dropped or asked for anew since."""
    try:
        found = await get(conn, workspace, letter)
    except NotFound:
        return None
    return found if found.requeue == requeue and found.requeued_at is None else None


async def went(conn: AsyncConnection[Any], letter: DeadLetter) -> None:
    """Note that a letter, locked, was sent round again."""
    await conn.execute(_WENT, [letter.id])
    data = _of(letter) | {"requeue": str(letter.requeue)}
    await events.append(conn, [NewEvent(letter.workspace, EventType.DEAD_SENT, "requeue", data=data)])


async def drop(conn: AsyncConnection[Any], workspace: str, letter: UUID, *, actor: str) -> None:
    """Delete a dead letter for good; raises NotFound."""
    if not await tell_dropped(conn, actor, _DROP, {"workspace": workspace, "letter": letter}):
        raise NotFound(f"no dead letter {letter}")


async def tell_dropped(
    conn: AsyncConnection[Any], actor: str, statement: str, given: dict[str, Any]
) -> list[dict[str, Any]]:
    """Run a statement that deletes letters, tell of each, and return what it says of them; see DROPPED."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement.encode(), given)
        gone = await cursor.fetchall()
    await events.append(
        conn,
        [
            NewEvent(
                each["workspace"],
                EventType.DEAD_DROPPED,
                actor,
                data={name: str(each[name]) for name in ("id", "stage", "reason", "subject", "state")},
            )
            for each in gone
        ],
    )
    return gone


def workspace_of(subject: str) -> str:
    """Read the workspace off the subject that a message came on.

    >>> workspace_of("raw.acme.webhook.ci"), workspace_of("commands.acme.telegram"), workspace_of("dead.by.hand")
    ('acme', 'acme', 'default')
    """
    parts = subject.split(".")
    return parts[1] if len(parts) > 2 and parts[0] in _KNOWN_WORKSPACES else "default"


def _of(letter: DeadLetter) -> dict[str, Any]:
    return {"id": str(letter.id), "stage": letter.stage, "reason": letter.reason, "subject": letter.subject}


# A letter that went round comes first among those with the same bytes: it is the one that is expected.
_KEEP = """
with known as (
    select id from dead_letters where sent = %(sent)s order by requeued_at is null, id limit 1 for update
)
insert into dead_letters as held (id, workspace, subject, stage, reason, body, stream_seq, first_at, last_at)
select coalesce((select id from known), %(letter)s), %(workspace)s, %(subject)s, %(stage)s, %(reason)s, %(body)s,
       %(seq)s, %(at)s, %(at)s
on conflict (id) do update set
    tries = held.tries + 1, stage = excluded.stage, reason = excluded.reason, last_at = excluded.last_at,
    stream_seq = excluded.stream_seq, version = held.version + 1, requeue = null, asked_at = null, requeued_at = null
where excluded.stream_seq > held.stream_seq
returning id, tries
"""

_GET = f"select {COLUMNS} from dead_letters where workspace = %s and id = %s for update"

_EDIT = """
update dead_letters set edited = %(edited)s, edited_at = clock_timestamp(), version = version + 1,
    requeue = null, asked_at = null, requeued_at = null
where id = %(letter)s
"""

_ASK = """
update dead_letters held set requeue = gen_random_uuid(), asked_at = clock_timestamp(), requeued_at = null,
    sent = given.sent, version = version + 1
from json_to_recordset(%s::json) as given(id uuid, sent uuid)
where held.id = given.id
returning held.id, held.requeue
"""

_WENT = "update dead_letters set requeued_at = clock_timestamp(), version = version + 1 where id = %s"

DROPPED = "id, workspace, stage, reason, subject, state"
"""What a statement that deletes letters returns of each."""

_DROP = f"delete from dead_letters where workspace = %(workspace)s and id = %(letter)s returning {DROPPED}"
