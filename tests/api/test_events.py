"""api/routes/events.py: everything that changed, in the one order."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pipelines.store import events
from pipelines.store.events import NewEvent
from schemas.events import EventType
from tests.asking import Conn
from tests.problems import problem


@pytest.fixture
def tell(conn: Conn) -> Callable[..., Any]:
    async def tell(*numbers: int, workspace: str = "default") -> None:
        """Write events and give them their positions, as the relay does."""
        new = [NewEvent(workspace, EventType.SOURCE_UPDATED, "test", data={"n": n}) for n in numbers]
        async with conn.transaction():
            await events.append(conn, new)
            await conn.execute(
                "insert into positions (position, seq) select seq, seq from outbox on conflict do nothing"
            )
            await conn.execute("delete from outbox")

    return tell


async def test_events_behind_a_position_come_in_order(client: httpx.AsyncClient, tell: Callable[..., Any]) -> None:
    await tell(1, 2, 3)
    page = (await client.get("/api/events", params={"after": 1})).json()
    assert [(item["position"], item["data"]["n"]) for item in page["items"]] == [(2, 2), (3, 3)]
    assert (page["position"], page["next_cursor"]) == (3, None)
    assert page["epoch"] == (await client.get("/api/events")).json()["epoch"]


async def test_pages_show_every_event_once_also_those_that_arrive(
    client: httpx.AsyncClient, tell: Callable[..., Any]
) -> None:
    await tell(1, 2, 3, 4, 5)
    seen: list[int] = []
    wanted: dict[str, Any] = {"limit": 2}
    for arriving in (6, 7, 8, None):
        page = (await client.get("/api/events", params=wanted)).json()
        seen += [item["data"]["n"] for item in page["items"]]
        wanted["cursor"] = page["next_cursor"]
        if arriving:
            await tell(arriving)
    assert (seen, wanted["cursor"]) == ([1, 2, 3, 4, 5, 6, 7, 8], None)


async def test_events_of_another_workspace_are_not_shown(client: httpx.AsyncClient, tell: Callable[..., Any]) -> None:
    await tell(1)
    await tell(2, workspace="other")
    page = (await client.get("/api/events")).json()
    assert ([item["data"]["n"] for item in page["items"]], page["position"]) == ([1], 2)


async def test_before_the_first_event_there_is_none(client: httpx.AsyncClient) -> None:
    page = (await client.get("/api/events")).json()
    assert (page["items"], page["position"], page["next_cursor"]) == ([], 0, None)


@pytest.mark.parametrize("query", ["after=-1", "after=x", f"after={2**63}", "cursor=x", "limit=0", "since=1"])
async def test_query_that_makes_no_sense_is_refused(client: httpx.AsyncClient, query: str) -> None:
    problem(await client.get(f"/api/events?{query}"), 422)
