"""The flow's end: Bytewax's face of the committer."""

from concurrent.futures import Future
from contextlib import suppress

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from pipelines.bridge import Bridge
from pipelines.commit import Committer, Item, Stopped


class _Commits(StatelessSinkPartition[Item]):
    """One batch is committed while the flow works on the next; a second one would only wait, and others behind it."""

    def __init__(self, bridge: Bridge, committer: Committer) -> None:
        self._bridge = bridge
        self._committer = committer
        self._under_way: Future[None] | None = None

    def write_batch(self, items: list[Item]) -> None:
        self._settle()
        self._under_way = self._bridge.submit(self._committer.commit(items))

    def close(self) -> None:
        self._settle()

    def _settle(self) -> None:
        """Wait for the commit that is under way, as long as the database is away: that is the back-pressure."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            with suppress(Stopped):  # the database stayed away: what is left is redelivered
                under_way.result()


class Commits(DynamicSink[Item]):
    """Hands each batch to the committer and lets its commit overlap the work on the next one."""

    def __init__(self, bridge: Bridge, committer: Committer) -> None:
        self._bridge = bridge
        self._committer = committer

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Commits:
        """Give this worker its partition."""
        return _Commits(self._bridge, self._committer)
