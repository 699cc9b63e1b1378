"""The peer Celery on Redis: prefork, one message at a time in each child. Runs in the peers' environment."""

import asyncio
from typing import Any

import nats
import psycopg
import uvloop
from celery import Celery  # type: ignore[import-not-found]  # of the peers' environment
from celery.signals import worker_process_init  # type: ignore[import-not-found]

from deploy.bench.peers import work
from deploy.settings import Settings
from pipelines.store.messages import persist

TASK = "handle"


class _Child:
    """What a child of the pool keeps open: an event loop for our store and our results, and a connection to each."""

    loop: asyncio.AbstractEventLoop
    conn: work.Connection
    js: Any

    def open(self, **_: object) -> None:
        self.loop = uvloop.new_event_loop()
        self.loop.run_until_complete(self._connect(Settings()))

    def handle(self, body: str) -> None:
        self.loop.run_until_complete(self._handle(body))

    async def _connect(self, settings: Settings) -> None:
        client = await nats.connect(settings.nats("admin"))
        self.js = client.jetstream()
        self.conn = await psycopg.AsyncConnection.connect(settings.database("write"), **work.connection_options())

    async def _handle(self, body: str) -> None:
        found = work.read([body])
        await persist(self.conn, found)
        results = work.results(found)
        await asyncio.gather(*(self.js.publish(each.subject, each.body, headers=each.headers) for each in results))


def make() -> Any:
    """Make the application: acknowledged after the work and again after a crash; a result of its own it keeps none."""
    made = Celery("peers")
    made.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        broker_connection_retry_on_startup=True,
    )
    child = _Child()

    def handle(body: str) -> None:
        child.handle(body)

    made.task(name=TASK)(handle)
    worker_process_init.connect(child.open, weak=False)
    return made


app = make()
