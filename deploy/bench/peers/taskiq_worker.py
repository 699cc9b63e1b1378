"""The peer TaskIQ, as its README shows it and tuned. Runs in the peers' environment: ``taskiq worker <this>:pull``."""

import asyncio
from typing import Any

from nats.js.api import AckPolicy, ConsumerConfig
from taskiq import TaskiqEvents  # type: ignore[import-not-found]  # of the peers' environment
from taskiq_nats import (  # type: ignore[import-not-found]
    PullBasedJetStreamBroker,
    PushBasedJetStreamBroker,
)

from deploy.bench.peers import work
from deploy.settings import Settings

TASK = "handle"
QUEUE = "taskiq_queue"


def pull() -> Any:
    """Make the broker with everything left as it is by default."""
    settings = Settings()
    return _working(PullBasedJetStreamBroker(settings.nats("admin")), settings)


def push() -> Any:
    """Make the other broker of the README, with everything left as it is by default."""
    settings = Settings()
    return _working(PushBasedJetStreamBroker(settings.nats("admin"), queue=QUEUE), settings)


def tuned() -> Any:
    """Make the broker with all that makes it faster and keeps every message: the pushing one.

    taskiq-nats 0.7.0, where it pulls more than one message at a time, holds those that do not fill a pull back until
    the time of the pull is over, and its listener ends by nats-py's own TimeoutError. Where it pushes, each process has
    an inbox of its own unless one is named, and only the first is given messages.
    """
    settings = Settings()
    consumer = ConsumerConfig(
        durable_name=QUEUE,
        deliver_subject="taskiq.tuned",
        deliver_group=QUEUE,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=120,
        max_ack_pending=1_000,
    )
    return _working(PushBasedJetStreamBroker(settings.nats("admin"), queue=QUEUE, consumer_config=consumer), settings)


def _working(broker: Any, settings: Settings) -> Any:
    opened = work.pool(settings)

    async def handle(body: str) -> None:
        found = work.read([body])
        await work.store(opened, found)
        await asyncio.gather(
            *(broker.js.publish(each.subject, each.body, headers=each.headers) for each in work.results(found))
        )

    async def open_pool(_: Any) -> None:
        await opened.open(wait=True)

    async def close_pool(_: Any) -> None:
        await opened.close()

    broker.register_task(handle, task_name=TASK)
    broker.add_event_handler(TaskiqEvents.WORKER_STARTUP, open_pool)
    broker.add_event_handler(TaskiqEvents.WORKER_SHUTDOWN, close_pool)
    return broker
