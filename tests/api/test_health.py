"""api/routes/health.py and stats.py: is it alive, can it serve, and what has it done."""

import json
from collections.abc import AsyncIterator, Callable

import httpx
import nats
import psycopg
import pytest

from api.deps import Resources
from deploy import streams
from pipelines.store import sources
from pipelines.store.messages import persist
from schemas import subjects
from schemas.subjects import Durable, Stream
from tests.asking import Conn
from tests.making import extracted
from tests.problems import problem
from tests.waiting import until


@pytest.fixture
async def owner(postgres_url: str) -> AsyncIterator[Conn]:
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as owner:
        yield owner


async def test_process_with_its_servers_is_ready(client: httpx.AsyncClient) -> None:
    for path in ("/api/health/live", "/api/health/ready"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_whole_health_shows_servers_durables_relay_and_sockets(client: httpx.AsyncClient, conn: Conn) -> None:
    async with conn.transaction():
        await sources.ensure(conn, "default", "chat", "telegram")
    await until(lambda: _position_known(client))
    health = (await client.get("/api/health")).json()
    assert health["database"]["status"] == health["nats"]["status"] == "ok"
    assert health["database"]["relay"]["waiting"] == 1
    assert health["database"]["relay"]["seconds"] >= 0
    assert set(health["durables"]) == set(Durable)
    assert health["durables"]["flow-live"] == {"status": "ok", "waiting": 0, "held": 0, "pulls": 0}
    assert (health["sockets"], health["position"]) == (0, 0)


async def _position_known(client: httpx.AsyncClient) -> bool:
    return (await client.get("/api/health")).json()["position"] is not None


async def test_what_waits_for_the_flow_is_counted(client: httpx.AsyncClient) -> None:
    await client.post("/api/messages", json={"source": "crm", "external_id": "1", "text": "please ship"})
    health = (await client.get("/api/health")).json()
    assert health["durables"]["flow-live"]["waiting"] == 1


async def told(nats_urls: Callable[[str], str], **state: object) -> None:
    """Let a replica of the dataflow say how it does."""
    flow = await nats.connect(nats_urls("flow"))
    body = {"role": "dataflow", "replica": "one", "up_seconds": 7} | state
    await flow.publish(subjects.state("dataflow", "x"), json.dumps(body).encode())
    await flow.close()


async def role(client: httpx.AsyncClient) -> object:
    return (await client.get("/api/health")).json()["roles"].get("dataflow")


async def test_roles_are_shown_while_they_say_that_they_live(
    client: httpx.AsyncClient, nats_urls: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await role(client) is None
    await told(nats_urls, trouble="no name of ours!")
    await told(nats_urls)
    await told(nats_urls, replica="two", up_seconds=9, trouble="Deadlock", trouble_seconds=0.1)
    await until(lambda: _shows(client, {"replicas": 2, "up_seconds": 9, "trouble": None}))
    assert (await client.get("/api/health/ready")).status_code == 200
    monkeypatch.setattr("api.roster._SILENT_SECONDS", 0.0)
    assert await role(client) is None


async def _shows(client: httpx.AsyncClient, wanted: object) -> bool:
    return await role(client) == wanted


async def test_role_that_is_kept_from_its_work_is_not_ready(
    client: httpx.AsyncClient, nats_urls: Callable[[str], str]
) -> None:
    await told(nats_urls, replica="well")
    await told(nats_urls, trouble="DiskFull", trouble_seconds=3.2)
    await until(lambda: _shows(client, {"replicas": 2, "up_seconds": 7, "trouble": "DiskFull for 3 s"}))
    assert "dataflow: DiskFull for 3 s" in problem(await client.get("/api/health/ready"), 503)
    await told(nats_urls)
    await until(lambda: _shows(client, {"replicas": 2, "up_seconds": 7, "trouble": None}))
    assert (await client.get("/api/health/ready")).status_code == 200


async def test_database_of_another_revision_is_not_ready(client: httpx.AsyncClient, owner: Conn) -> None:
    await owner.execute("update alembic_version set version_num = '9999'")
    answer = await client.get("/api/health/ready")
    assert "9999" in problem(answer, 503)
    assert answer.headers["retry-after"]
    assert (await client.get("/api/health/live")).status_code == 200
    await owner.execute("drop table alembic_version")
    assert "migrate" in problem(await client.get("/api/health/ready"), 503)


async def test_without_nats_it_is_alive_and_not_ready(client: httpx.AsyncClient, resources: Resources) -> None:
    await resources.nats.close()
    assert "nats" in problem(await client.get("/api/health/ready"), 503)
    assert (await client.get("/api/health/live")).status_code == 200
    health = (await client.get("/api/health")).json()
    assert (health["nats"]["status"], health["database"]["status"]) == ("not connected", "ok")
    assert health["durables"]["flow-live"]["status"] != "ok"


async def test_connected_nats_that_confirms_nothing_is_not_ready(
    client: httpx.AsyncClient, resources: Resources, nats_url: str
) -> None:
    admin = await nats.connect(nats_url)
    await admin.jetstream().delete_stream(Stream.RAW)  # nobody answers now
    line = {"source": "crm", "external_id": "1", "text": "please ship"}
    problem(await client.post("/api/messages", json=line), 503)
    assert "does not confirm" in problem(await client.get("/api/health/ready"), 503)
    await streams.declare(admin.jetstream())
    assert (await client.post("/api/messages", json=line)).status_code == 202
    assert (await client.get("/api/health/ready")).status_code == 200
    await admin.close()


async def test_without_the_database_it_is_alive_and_not_ready(client: httpx.AsyncClient, resources: Resources) -> None:
    await resources.read.close()
    await resources.write.close()
    assert "database: away" in problem(await client.get("/api/health/ready"), 503)
    assert (await client.get("/api/health")).json()["database"] == {"status": "away"}
    for path in ("/api/tasks", "/api/stats", "/api/events"):
        answer = await client.get(path)
        problem(answer, 503)
        assert answer.headers["retry-after"]
    problem(await client.post("/api/tasks", json={"title": "Ship it"}), 503)


async def test_statistics_count_each_message_under_its_latest_verdict(client: httpx.AsyncClient, conn: Conn) -> None:
    async with conn.transaction():
        await sources.ensure(conn, "default", "chat", "telegram")
    await persist(conn, [extracted("1", "please ship", "Ship it"), extracted("2"), extracted("3")])
    task = (await client.get("/api/tasks/1")).json()
    await client.post(f"/api/tasks/{task['id']}/review", json={"decision": "rejected"}, headers={"If-Match": "*"})
    assert (await client.get("/api/stats")).json() == {
        "messages": 3,
        "tasks": 1,
        "noise": 3,
        "by_category": {"noise": 3},
        "by_status": {"cancelled": 1},
        "by_source": {"chat": 3},
    }


async def test_metrics_name_routes_and_never_what_stands_in_them(client: httpx.AsyncClient) -> None:
    await client.get("/api/tasks/123456789")
    await client.get("/api/s3cret-path")
    await client.request("S3CRET", "/api/tasks")
    await client.get("/static/page.css")
    text = (await client.get("/metrics")).text
    assert 'tasktracker_http_requests_total{method="GET",route="/api/tasks/{name}",status="404"}' in text
    assert 'tasktracker_http_requests_total{method="GET",route="none",status="404"}' in text
    assert 'method="other"' in text
    assert "tasktracker_http_request_seconds_bucket" in text
    assert "123456789" not in text
    assert "s3cret" not in text.lower()
