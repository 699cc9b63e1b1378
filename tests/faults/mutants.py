"""Dataflows with a guard taken out, to show that the tests of faults would notice; run as ``python -m``."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any, cast

from nats.aio.client import Client

from deploy.flow import run_dataflow
from deploy.settings import Settings
from pipelines.carry import Delivery
from pipelines.commit import Committer, Item, Pool
from pipelines.intake import Intake
from pipelines.store import messages

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
    statement: Any = messages._UPSERT
    before, _, after = statement.partition("on conflict (workspace, source, external_id)")
    messages._UPSERT = before + after[after.index("returning") :]


if __name__ == "__main__":
    mutant = sys.argv[1]
    if mutant == "no-key":
        forget_the_key()
    run_dataflow(Settings(), committer=AcksFirst if mutant == "acks-first" else AcksLate)
