"""Roles with a guard taken out, to show that the tests of faults would notice; run as ``python -m``."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

from nats.aio.client import Client

from connectors.publish import Publisher
from deploy import links, serve
from deploy.bench.faults.house import FEW
from deploy.flow import run_dataflow
from deploy.roles import play
from deploy.settings import Settings
from pipelines import relay
from pipelines.carry import Delivery
from pipelines.commit import Committer, Item, Pool
from pipelines.intake import Intake
from pipelines.store import messages, outbox
from schemas.errors import Unavailable
from schemas.messages import RawMessage

PAUSE_SECONDS = 0.15
"""Widens the moment in which a kill hurts, in the mutants and in the honest flow that they are compared with."""


class AcksFirst(Committer):
    """Acknowledges before the commit."""

    async def commit(self, batch: Sequence[Item]) -> None:
        await self._intake.acknowledge([item.delivery for item in batch])
        await asyncio.sleep(PAUSE_SECONDS)
        await super().commit(batch)


class AcksLate(Committer):
    """Acknowledges after the commit, as it should, but late: a kill in between leads to redeliveries."""

    def __init__(self, pool: Pool, nc: Client, intake: Intake) -> None:
        super().__init__(pool, nc, cast(Intake, _Late(intake)))


class _Late:
    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self.stopping = intake.stopping

    async def acknowledge(self, deliveries: list[Delivery]) -> None:
        await asyncio.sleep(PAUSE_SECONDS)
        await self._intake.acknowledge(deliveries)


def forget_the_key() -> None:
    """Store every message that comes, as if it had no unique key (which the test drops from the table, too)."""
    before, _, after = messages._UPSERT.partition("on conflict (workspace, source, external_id)")
    _put(messages, "_UPSERT", before + after[after.index("returning") :])


class AnswersFirst(Publisher):
    """Says that it has published before NATS says so."""

    async def publish(self, messages: Sequence[RawMessage], *, bulk: bool = False) -> None:
        task = asyncio.create_task(self._later(messages, bulk=bulk))
        _later.add(task)
        task.add_done_callback(_later.discard)

    async def _later(self, messages: Sequence[RawMessage], *, bulk: bool) -> None:
        with suppress(Unavailable):
            await super().publish(messages, bulk=bulk)


_later: set[asyncio.Task[None]] = set()


def answer_first() -> None:
    """Let the doors answer before the PubAck."""
    _put(serve, "Publisher", AnswersFirst)


def lead_unfenced() -> None:
    """Let every relay lead, and publish without ids and wherever the stream ends: one guard alone would do."""
    append = relay.Results.append

    async def lead(_: object) -> bool:
        return True

    async def publish(results: Any, subject: str, body: bytes, headers: dict[str, str], **_: object) -> None:
        await results._nc.request(subject, body, timeout=5, headers=headers or None)

    async def append_without_ids(results: relay.Results, events: Any, **_: object) -> None:
        await append(results, events, message_ids=False)

    _put(outbox, "lead", lead)
    _put(relay.Results, "append", append_without_ids)
    _put(relay.Results, "_publish", publish)


def mark_late() -> None:
    """Widen the moment between publishing and marking, which is no guard taken out."""
    place = outbox.place

    async def place_late(*given: Any) -> None:
        await asyncio.sleep(PAUSE_SECONDS)
        await place(*given)

    _put(outbox, "place", place_late)


def forget_what_was_published() -> None:
    """Let a new relay believe the table alone."""

    async def reconcile(_: object, results: relay.Results) -> None:
        await results.catch_up()

    mark_late()
    _put(relay, "reconcile", reconcile)


def give_up() -> None:
    """Let every client of NATS give up after a few attempts."""
    links.NATS_OPTIONS["max_reconnect_attempts"] = 2


def _put(place: Any, name: str, value: Any) -> None:
    setattr(place, name, value)


WITHOUT = {
    "answer-first": answer_first,
    "unfenced": lead_unfenced,
    "marks-late": mark_late,
    "no-reconciling": forget_what_was_published,
    "giving-up": give_up,
    "no-key": forget_the_key,
}


def mutate(name: str, *roles: str) -> None:
    """Play roles without the guard of that name."""
    if name in WITHOUT:
        WITHOUT[name]()
    if roles == ("dataflow",):
        run_dataflow(Settings(), committer=AcksFirst if name == "acks-first" else AcksLate)
    else:
        play(Settings(), roles)


def mutant(name: str, process: str, *roles: str) -> dict[str, tuple[str, ...]]:
    """Write the command line of one of the stack's processes without a guard; no ``roles``: its own."""
    return {process: (sys.executable, "-m", "tests.faults.mutants", name, *(roles or FEW[process]))}


if __name__ == "__main__":
    mutate(*sys.argv[1:])
