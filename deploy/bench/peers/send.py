"""Send the messages of a file to a peer, each through the peer's own broker. Runs in the peers' environment."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

from deploy.bench.peers import celery_worker, faststream_worker, taskiq_worker
from deploy.settings import Settings

Send: TypeAlias = Callable[[str], Awaitable[object]]

IN_FLIGHT = 256


def main(kind: str, path: str, where: str) -> None:
    """Send a line a message; ``where`` is the address of Redis, and the queue, for Celery."""
    bodies = Path(path).read_text(encoding="utf-8").splitlines()
    if kind == "celery":
        _by_celery(bodies, *where.split(" "))
    elif kind in ("single", "batch", "atomic"):
        asyncio.run(_by_faststream(bodies))
    else:
        asyncio.run(_by_taskiq(bodies, kind))


async def _by_taskiq(bodies: list[str], kind: str) -> None:
    broker = getattr(taskiq_worker, kind)()
    # Not broker.startup(): it would make a consumer of this program too.
    await broker.client.connect(broker.servers)
    broker.js = broker.client.jetstream(timeout=30)
    await _all(bodies, broker.find_task(taskiq_worker.TASK).kiq)
    await broker.client.close()


async def _by_faststream(bodies: list[str]) -> None:
    async with faststream_worker.broker(Settings()) as broker:

        async def send(body: str) -> None:
            await broker.publish(body.encode(), faststream_worker.SUBJECT, stream=faststream_worker.STREAM, timeout=30)

        await _all(bodies, send)


def _by_celery(bodies: list[str], url: str, queue: str) -> None:
    app = celery_worker.app
    app.conf.broker_url = url
    task = app.tasks[celery_worker.TASK]
    with app.producer_pool.acquire(block=True) as producer:
        for body in bodies:
            task.apply_async((body,), queue=queue, producer=producer)


async def _all(bodies: list[str], send: Send) -> None:
    left = iter(bodies)

    async def some() -> None:
        for body in left:
            await send(body)

    await asyncio.gather(*(some() for _ in range(IN_FLIGHT)))


if __name__ == "__main__":
    main(*sys.argv[1:])
