"""The flow's entry: Bytewax's face of the intake."""

from datetime import datetime

from bytewax.inputs import DynamicSource, StatelessSourcePartition

from pipelines.carry import Carried, Delivery
from pipelines.intake import Intake

_IDLE_SECONDS = 0.05
"""How long an idle flow sleeps at most; a message that arrives wakes it at once."""


class _Deliveries(StatelessSourcePartition[Carried[Delivery]]):
    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._idle = False

    def next_batch(self) -> list[Carried[Delivery]]:
        # The first empty call returns at once, so that what was emitted before reaches the sink; only then sleep.
        if self._idle:
            self._intake.wait(_IDLE_SECONDS)
        if self._intake.finished:
            raise StopIteration
        batch = self._intake.take()
        self._idle = not batch
        return [Carried(delivery, delivery) for delivery in batch]

    def next_awake(self) -> datetime | None:
        return None


class Deliveries(DynamicSource[Carried[Delivery]]):
    """Emits what the intake holds, with the delivery beside each value, until the intake is finished."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Deliveries:
        """Give this worker its partition."""
        return _Deliveries(self._intake)
