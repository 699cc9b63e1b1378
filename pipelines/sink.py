"""The flow's end: Bytewax's face of the committer."""

from collections import deque
from concurrent.futures import Future
from contextlib import suppress

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from pipelines.bridge import Bridge
from pipelines.commit import Committer, Item, Stopped

_UNDER_WAY = 2
"""Batches being committed while the flow works on the next: one in its transaction, one behind it."""


class _Commits(StatelessSinkPartition[Item]):
    def __init__(self, bridge: Bridge, committer: Committer) -> None:
        self._bridge = bridge
        self._committer = committer
        self._under_way: deque[Future[None]] = deque()

    def write_batch(self, items: list[Item]) -> None:
        while self._under_way and (len(self._under_way) >= _UNDER_WAY or self._under_way[0].done()):
            self._settle_first()  # waits as long as the database is away: that is the back-pressure
        self._under_way.append(self._bridge.submit(self._committer.commit(items)))

    def close(self) -> None:
        while self._under_way:
            self._settle_first()

    def _settle_first(self) -> None:
        with suppress(Stopped):  # the database stayed away: what is left is redelivered
            self._under_way.popleft().result()


class Commits(DynamicSink[Item]):
    """Hands each batch to the committer and lets its commit overlap the work on the next one."""

    def __init__(self, bridge: Bridge, committer: Committer) -> None:
        self._bridge = bridge
        self._committer = committer

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Commits:
        """Give this worker its partition."""
        return _Commits(self._bridge, self._committer)
