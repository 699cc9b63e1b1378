"""The peer FastStream, one message at a time, or in batches. Runs in the peers' environment: ``-m <this> single``."""

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias
from uuid import uuid4

import nats
import uvloop
from faststream import AckPolicy, FastStream
from faststream.nats import JStream, NatsBroker, PullSub
from nats.aio.client import Client
from nats.js.api import AckPolicy as Acknowledge
from nats.js.api import ConsumerConfig

from deploy.bench.peers import work
from deploy.settings import Settings
from schemas.subjects import Stream

Publish: TypeAlias = Callable[[Sequence[work.Result]], Awaitable[None]]

STREAM, SUBJECT, DURABLE = "PEERS", "peers.raw", "peers"
WORKERS, BATCH = 20, 500
_ATOMIC = 1_000
"""Messages that NATS takes in one atomic batch at most."""

_FILL_SECONDS = 0.5
"""How long a batch waits for more messages; the library's own five seconds would be what a last batch takes."""

_PATIENCE_SECONDS = 30.0
"""How long a result may take to be on the disk; the library's own half second is short for a batch of them."""


def broker(settings: Settings) -> NatsBroker:
    """Make a broker that hands bodies over as they came, without looking into them, and logs failures only."""
    logging.basicConfig(level=logging.WARNING)
    return NatsBroker(settings.nats("admin"), apply_types=False, logger=logging.getLogger(work.NAME))


def _subscribe(made: NatsBroker, opened: work.Pool, publish: Publish, *, batch: bool) -> None:
    async def handle(body: bytes) -> None:
        await handle_batch([body])

    async def handle_batch(bodies: list[bytes]) -> None:
        found = work.read(bodies)
        await work.store(opened, found)
        await publish(work.results(found))

    given: dict[str, Any] = {
        "stream": JStream(name=STREAM, subjects=[SUBJECT]),
        "durable": DURABLE,
        "config": ConsumerConfig(ack_policy=Acknowledge.EXPLICIT, ack_wait=30, max_ack_pending=10_000),
        "ack_policy": AckPolicy.NACK_ON_ERROR,
        "decoder": _as_it_came,
    }
    if batch:
        pulled = PullSub(batch_size=BATCH, batch=True, timeout=_FILL_SECONDS)
        made.subscriber(SUBJECT, pull_sub=pulled, **given)(handle_batch)
    else:
        made.subscriber(SUBJECT, pull_sub=PullSub(batch_size=WORKERS), max_workers=WORKERS, **given)(handle)


def _each(made: NatsBroker) -> Publish:
    """Publish as the library does, all at once, each with an acknowledgement of its own."""
    into: dict[str, Any] = {"stream": Stream.RESULTS, "timeout": _PATIENCE_SECONDS}

    async def publish(results: Sequence[work.Result]) -> None:
        await asyncio.gather(*(made.publish(each.body, each.subject, headers=each.headers, **into) for each in results))

    return publish


def _together(nc: Client) -> Publish:
    """Publish as our relay does, past the library: in atomic batches, each written to the disk once."""

    async def publish(results: Sequence[work.Result]) -> None:
        for start in range(0, len(results), _ATOMIC):
            await write(results[start : start + _ATOMIC])

    async def write(results: Sequence[work.Result]) -> None:
        batch = {"Nats-Batch-Id": uuid4().hex}
        for number, each in enumerate(results, start=1):
            headers = each.headers | batch | {"Nats-Batch-Sequence": str(number)}
            if number == len(results):
                headers["Nats-Batch-Commit"] = "1"
            if number in (1, len(results)):
                answer = await nc.request(each.subject, each.body, timeout=_PATIENCE_SECONDS, headers=headers)
                if answer.data and "error" in json.loads(answer.data):
                    raise RuntimeError(f"RESULTS answered {answer.data!r}")
            else:
                await nc.publish(each.subject, each.body, headers=headers)

    return publish


async def _as_it_came(message: Any) -> Any:
    return message.body


async def _run(kind: str) -> None:
    settings = Settings()
    made, opened = broker(settings), work.pool(settings)
    nc = await nats.connect(settings.nats("admin"))
    _subscribe(made, opened, _together(nc) if kind == "atomic" else _each(made), batch=kind != "single")
    async with opened:
        await opened.wait()
        await FastStream(made, logger=None).run()
    await nc.close()


if __name__ == "__main__":
    uvloop.run(_run(sys.argv[1]))
