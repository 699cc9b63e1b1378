"""pipelines/pulse.py: a role tells that it lives, and what keeps it from its work."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import nats
from nats.aio.client import Client
from nats.aio.subscription import Subscription

from pipelines.pulse import Trouble, beat
from schemas import subjects
from schemas.states import RoleState


@asynccontextmanager
async def beating(nc: Client, trouble: Trouble) -> AsyncIterator[None]:
    task = asyncio.create_task(beat(nc, "dataflow", trouble, period=0.02))
    try:
        yield
    finally:
        task.cancel()


async def next_state(heard: Subscription) -> RoleState:
    return RoleState.model_validate_json((await heard.next_msg(timeout=5)).data)


async def test_trouble_is_told_with_its_kind_and_its_time_until_it_is_over(nats_urls: Callable[[str], str]) -> None:
    api, flow = await nats.connect(nats_urls("api")), await nats.connect(nats_urls("flow"))
    heard = await api.subscribe(subjects.STATES)
    await api.flush()
    trouble = Trouble()
    async with beating(flow, trouble):
        first = await next_state(heard)
        assert (first.role, first.trouble, first.trouble_seconds) == ("dataflow", None, 0.0)
        trouble.note(OSError("a message of a person"))
        while (told := await next_state(heard)).trouble_seconds < 0.2:
            trouble.note(TimeoutError())
        assert told.trouble == "TimeoutError"
        assert told.replica == first.replica
        trouble.clear()
        while (told := await next_state(heard)).trouble:
            assert told.trouble == "TimeoutError"
        assert told.trouble_seconds == 0.0
    await flow.close()
    await api.close()


async def test_what_was_not_heard_is_not_said_later(nats_urls: Callable[[str], str]) -> None:
    flow = await nats.connect(nats_urls("flow"))
    await flow.close()
    async with beating(flow, Trouble()):
        await asyncio.sleep(0.1)  # some beats, none of which may fail
    assert flow.stats["out_msgs"] == 0
