"""The books: ledger = rows = events = RESULTS = what a WebSocket saw, each once and in order."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import LiteralString

from deploy.bench.counts import Miscounted
from deploy.bench.faults.house import House
from deploy.bench.faults.listener import Listener
from deploy.bench.faults.senders import Ledger, sending
from schemas.events import EventType
from schemas.subjects import Stream

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Balance:
    """The names of what was acknowledged and is not there, of what is there twice, and of what nobody sent.

    ``misplaced`` says in words where events, RESULTS and a WebSocket do not tell the same. All empty: nothing is wrong.
    """

    stored: int
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)

    def wrong(self) -> list[str]:
        """Say what is wrong, a sentence each."""
        found = {"lost": self.lost, "doubled": self.doubled, "invented": self.invented}
        said = [f"{len(names)} {how}: {_some(names)}" for how, names in found.items() if names]
        return said + self.misplaced


async def balance(house: House, ledger: Ledger) -> Balance:
    """Compare a ledger with what is stored, by names."""
    rows = await house.rows(_STORED, *[ledger.beginning] * 3)
    stored = Counter[str](dict(rows))
    return Balance(
        stored=len(stored),
        lost=sorted(ledger.acknowledged - stored.keys()),
        doubled=sorted(name for name, count in stored.items() if count > 1),
        invented=sorted(stored.keys() - ledger.acknowledged - ledger.unknown),
    )


async def account(house: House, ledger: Ledger, listener: Listener, *, after: int = 0) -> Balance:
    """Compare everything that came behind a position; the pipeline must have settled. See Balance."""
    found = await balance(house, ledger)
    events = await house.rows(_EVENTS, after)
    last = after + len(events)
    misplaced = found.misplaced
    messages, tasks = await _all(house, ledger, _MESSAGES), await _all(house, ledger, _TASKS)
    misplaced += [] if tasks else ["not one task was made"]
    misplaced += _unlike("a message's event", _of(events, EventType.MESSAGE_PROCESSED), messages)
    misplaced += _unlike("a task's event", _of(events, EventType.TASK_CREATED), tasks)
    if [position for *_, position in events] != list(range(after + 1, last + 1)):
        misplaced.append(f"positions of the table are not dense from {after + 1} to {last}")
    order = [str(event) for event, *_ in events]
    told = [json.loads(event) for event in await house.stream(Stream.RESULTS, after=after)]
    misplaced += _out_of_order("RESULTS", [(each["position"], each["id"]) for each in told], order, after)
    await listener.caught_up(last)
    heard = list(zip(listener.positions, listener.events, strict=True))
    misplaced += _out_of_order("a WebSocket", heard, order, after)
    return found


@asynccontextmanager
async def under_load(house: House) -> AsyncIterator[Ledger]:
    """Let messages be sent while the block runs; then everything settles."""
    ledger = Ledger()
    async with sending(house, ledger):
        yield ledger
    await house.settled()


@asynccontextmanager
async def watched(house: House) -> AsyncIterator[Ledger]:
    """Let messages flow and a client listen while the block runs; raises Miscounted unless all adds up then."""
    async with Listener.listening(house) as listener:
        async with under_load(house) as ledger:
            yield ledger
        found = await account(house, ledger, listener)
    if wrong := found.wrong():
        raise Miscounted("; ".join(wrong))


def _of(events: Iterable[tuple[object, ...]], kind: EventType) -> Counter[object]:
    return Counter(message for _, told, message, _ in events if told == kind)


async def _all(house: House, ledger: Ledger, query: LiteralString) -> Counter[object]:
    return Counter(row for (row,) in await house.rows(query, ledger.beginning))


def _unlike(what: str, found: Counter[object], expected: Counter[object]) -> list[str]:
    missing, surplus = (expected - found).total(), (found - expected).total()
    return [f"{what}: {missing} missing, {surplus} too many"] if missing or surplus else []


def _out_of_order(where: str, told: list[tuple[int, str]], order: list[str], after: int) -> list[str]:
    expected = list(enumerate(order, start=after + 1))
    if told == expected:
        return []
    missing, surplus = len(set(expected) - set(told)), len(set(told) - set(expected))
    twice = len(told) - len(set(told))
    return [f"{where}: of {len(order)} events {missing} missing, {surplus} foreign, {twice} twice, or out of order"]


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")


_STORED = """
select name, count(*)::int from (
    select external_id as name from messages where starts_with(external_id, %s)
    union all
    select convert_from(body, 'UTF8')::jsonb ->> 'rubbish' from dead_letters, generate_series(1, tries)
    where starts_with(convert_from(body, 'UTF8')::jsonb ->> 'rubbish', %s)
    union all
    select actor from events where type = 'task.updated' and starts_with(actor, %s)
) as found group by name
"""

_EVENTS = """
select events.id::text, type, message, position from events left join positions using (seq)
where position is null or position > %s order by position
"""

_MESSAGES = "select id from messages where starts_with(external_id, %s)"

_TASKS = "select tasks.origin from tasks join messages on messages.id = tasks.origin where starts_with(external_id, %s)"
