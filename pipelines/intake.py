"""What the flow has taken from NATS and not settled yet: live messages first, all of them kept alive."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from threading import Event, Lock
from time import monotonic

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import ConsumerConfig

from pipelines import metrics
from pipelines.carry import Delivery
from pipelines.durables import ensure
from schemas.subjects import Durable, Stream

_log = logging.getLogger(__name__)

BATCH = 500
"""Messages asked for in one pull, and handed to the flow at once."""

BULK_BATCH = 100
"""Messages of an import handed to the flow at once: behind two such batches a fresh one may have to stand."""

LIVE_ROOM, BULK_ROOM = 2_000, 1_000
"""Messages of each durable that may wait here: enough to overlap pulls, few enough to keep alive."""

_PULL_SECONDS = 5.0
_PULL_FILLED = "Batch Completed"
KEEP_ALIVE_SECONDS = 6.0
"""Less than a third of the durables' ack_wait (20 s): two in a row may be lost."""


DRAIN_SECONDS = 2.0
"""How long the flow goes on with what waits here after it was asked to stop.

What is left then is given back; but where NATS stops at the same time, it comes again only after ack_wait.
"""


class _Pull:
    """One durable: its waiting messages and the pulls that are out."""

    def __init__(self, durable: Durable, room: int, inbox: str) -> None:
        self.durable = durable
        self.room = room
        self.inbox = inbox
        self.waiting: deque[Delivery] = deque()
        self.out: dict[str, list[float]] = {}  # token -> [messages still to come, deadline]
        self.remake = False

    def arrived(self, delivery: Delivery) -> None:
        """Take in a message; it counts against the oldest pull, for it does not say which one it answers."""
        self.waiting.append(delivery)
        for token, pull in self.out.items():
            pull[0] -= 1
            if pull[0] <= 0:
                del self.out[token]
            break

    def take(self, most: int) -> list[Delivery]:
        """Hand out the oldest that wait."""
        return [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]

    def wants_more(self) -> bool:
        """Say whether there is room for one more pull."""
        now = monotonic()
        for token in [token for token, (_, deadline) in self.out.items() if deadline < now]:
            del self.out[token]  # a pull may stay silent after a reconnect
        return len(self.waiting) + sum(int(left) for left, _ in self.out.values()) + BATCH <= self.room


class Intake:
    """Pulls from the two durables over overlapping requests; ``take`` and ``wait`` are for the flow's own thread."""

    def __init__(
        self,
        nc: Client,
        consumers: Mapping[Durable, ConsumerConfig],
        *,
        keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._nc = nc
        self._consumers = consumers
        self._keep_alive_seconds = keep_alive_seconds
        self._drain_seconds = drain_seconds
        self._drained_by = 0.0
        self._pulls = [
            _Pull(Durable.LIVE, LIVE_ROOM, nc.new_inbox()),
            _Pull(Durable.BULK, BULK_ROOM, nc.new_inbox()),
        ]
        self._held: dict[str, float] = {}  # reply -> when the server last heard of it
        self._held_lock = Lock()
        self._kick = asyncio.Event()
        self._arrived = Event()
        self._tokens = map(str, count())
        self._subscriptions: list[Subscription] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._loop = asyncio.get_running_loop()
        self.stopping = Event()

    async def start(self) -> None:
        """Make the durables where they are missing, and begin to pull."""
        for pull in self._pulls:
            await self._ensure(pull)
            self._subscriptions.append(
                await self._nc.subscribe(
                    f"{pull.inbox}.*", cb=_receiver(self, pull), pending_msgs_limit=-1, pending_bytes_limit=-1
                )
            )
        self._tasks = [asyncio.create_task(self._pull()), asyncio.create_task(self._keep_alive())]

    async def close(self) -> None:
        """Give back all that is not settled, so that another replica has it at once: the flow has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(nats.errors.Error):
            for subscription in self._subscriptions:  # else what we give back answers a pull of ours that is still out
                await subscription.unsubscribe()
        with self._held_lock:
            left = list(self._held)
            self._held.clear()
        for reply in left:
            with suppress(nats.errors.Error):
                await self._nc.publish(reply, b"-NAK")
        metrics.HELD.set(0)

    @property
    def finished(self) -> bool:
        """Whether it was stopped, and nothing waits any more or the time for it is over."""
        return self.stopping.is_set() and (not self.waiting or monotonic() >= self._drained_by)

    @property
    def waiting(self) -> int:
        """How many messages nobody has taken yet."""
        return sum(len(pull.waiting) for pull in self._pulls)

    def take(self, limit: int = BATCH) -> list[Delivery]:
        """Take up to ``limit`` live messages; where none waits, up to ``BULK_BATCH`` of an import. Never waits."""
        live, bulk = self._pulls
        batch = live.take(limit) or bulk.take(min(limit, BULK_BATCH))
        if batch:
            self._loop.call_soon_threadsafe(self._kick.set)
        return batch

    def wait(self, seconds: float) -> None:
        """Wait until a message is there, the intake is stopped, or ``seconds`` have passed."""
        self._arrived.clear()
        if not any(pull.waiting for pull in self._pulls) and not self.stopping.is_set():
            self._arrived.wait(seconds)

    def stop(self) -> None:
        """Ask for nothing more; safe in a signal handler."""
        self._drained_by = monotonic() + self._drain_seconds
        self.stopping.set()
        self._arrived.set()

    async def acknowledge(self, deliveries: list[Delivery]) -> None:
        """Tell NATS that these are done; one that gets lost leads to a redelivery, which adds nothing."""
        self._forget(deliveries)
        with suppress(nats.errors.Error):
            for delivery in deliveries:
                await self._nc.publish(delivery.reply, b"+ACK")

    def reconnected(self) -> None:
        """Ask anew: the server has forgotten the pulls that were out."""
        for pull in self._pulls:
            pull.out.clear()
        self._kick.set()

    def _forget(self, deliveries: list[Delivery]) -> None:
        with self._held_lock:
            for delivery in deliveries:
                self._held.pop(delivery.reply, None)
            metrics.HELD.set(len(self._held))

    def hold(self, delivery: Delivery, pull: _Pull) -> None:
        """Take a message in and keep it alive from now on."""
        with self._held_lock:
            self._held[delivery.reply] = monotonic()
        pull.arrived(delivery)
        self._arrived.set()

    async def answered(self, pull: _Pull, token: str, status: str, description: str) -> None:
        """Note that a pull ended without (all of) its messages."""
        pull.out.pop(token, None)
        gone = status == "503" or (status == "409" and "Consumer" in description and "Deleted" in description)
        pull.remake = pull.remake or gone
        if status not in ("404", "408") and description != _PULL_FILLED:
            _log.info("pull from %s ended: %s %s", pull.durable, status, description)
        self._kick.set()

    async def _pull(self) -> None:
        while True:
            for pull in self._pulls:
                with suppress(nats.errors.Error):
                    await self._ask(pull)
            self._kick.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._kick.wait(), 1.0)

    async def _ask(self, pull: _Pull) -> None:
        if not self._nc.is_connected:
            return
        if pull.remake:
            await self._ensure(pull)
            pull.remake = False
        while not self.stopping.is_set() and pull.wants_more():
            token = next(self._tokens)
            pull.out[token] = [BATCH, monotonic() + _PULL_SECONDS + 1]
            request = json.dumps({"batch": BATCH, "expires": int(_PULL_SECONDS * 1e9)}).encode()
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{Stream.RAW}.{pull.durable}"
            await self._nc.publish(subject, request, reply=f"{pull.inbox}.{token}")

    async def _ensure(self, pull: _Pull) -> None:
        await ensure(self._nc.jetstream(timeout=5), Stream.RAW, pull.durable, self._consumers[pull.durable])

    async def _keep_alive(self) -> None:
        """Tell NATS that we still work on what we hold, however long the database is away: no delivery is spent."""
        while True:
            await asyncio.sleep(min(1.0, self._keep_alive_seconds / 2))
            now = monotonic()
            with self._held_lock:
                late = [reply for reply, since in self._held.items() if now - since > self._keep_alive_seconds]
                self._held.update(dict.fromkeys(late, now))
                metrics.HELD.set(len(self._held))
            with suppress(nats.errors.Error):
                for reply in late:
                    await self._nc.publish(reply, b"+WPI")


def _receiver(intake: Intake, pull: _Pull):  # type: ignore[no-untyped-def]  # nats-py gives its callbacks no name
    async def receive(message: Msg) -> None:
        if message.headers and "Status" in message.headers and not message.reply:
            token = message.subject.rsplit(".", 1)[1]
            headers = message.headers
            if headers["Status"] != "100":
                await intake.answered(pull, token, headers["Status"], headers.get("Description", ""))
            return
        intake.hold(Delivery(message.reply, message.subject, message.data), pull)

    return receive
