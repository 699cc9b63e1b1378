"""What a client meets at nginx: the page, the api, the WebSocket and the webhooks, and nothing else."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from api.limits import MAX_BODY
from connectors.inlets import MAX_BODY as MAX_WEBHOOK
from tests.connectors.signing import OTHER_SECRET, SECRET, signed
from tests.deploy.compose.front import PROCESSES, Front
from tests.waiting import until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

SECURITY = ("content-security-policy", "x-content-type-options", "referrer-policy", "cross-origin-opener-policy")


@pytest.fixture(scope="module")
def front(pg_bin: Path | None) -> Iterator[Front]:
    folder = Path(tempfile.mkdtemp(prefix="tt-compose-"))
    folder.chmod(0o711)  # the user of PostgreSQL must get through
    made: Front | None = None
    try:
        made = Front(folder, pg_bin)
        made.open()
        yield made
    finally:
        if made:
            made.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def anyone(front: Front) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=front.url, timeout=30) as client:
        yield client


@pytest.fixture
async def owner(front: Front) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {front.token}"}
    async with httpx.AsyncClient(base_url=front.url, headers=headers, timeout=30) as client:
        yield client


async def tasks_of(owner: httpx.AsyncClient, title: str) -> list[dict[str, Any]]:
    items = (await owner.get("/api/tasks", params={"limit": 200})).raise_for_status().json()["items"]
    return [task for task in items if title in task["title"]]


async def becomes_a_task(owner: httpx.AsyncClient, title: str) -> None:
    async def made() -> bool:
        return len(await tasks_of(owner, title)) == 1

    await until(made, seconds=20, what=f"the task {title}")


async def told(socket: ClientConnection, *types: str) -> list[dict[str, Any]]:
    """Listen until an event of each type has come."""
    frames: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        while not set(types) <= {frame["event"]["type"] for frame in frames}:
            frames.append(json.loads(await socket.recv()))
    return frames


async def test_page_and_its_files_are_served(anyone: httpx.AsyncClient) -> None:
    page = await anyone.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert (await anyone.get("/static/page.css")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/health/live", "/api/tasks", "/api/nothing"])
async def test_security_headers_are_told_once(path: str, owner: httpx.AsyncClient) -> None:
    answer = await owner.get(path)
    assert {name: len(answer.headers.get_list(name)) for name in SECURITY} == dict.fromkeys(SECURITY, 1)


@pytest.mark.parametrize("path", ["/api/tasks", "/api/events", "/openapi.json", "/docs"])
async def test_api_is_served_to_those_who_know_the_token(
    path: str, anyone: httpx.AsyncClient, owner: httpx.AsyncClient
) -> None:
    assert (await anyone.get(path)).status_code == 401
    assert (await owner.get(path)).status_code == 200


async def test_posted_message_becomes_a_task_and_its_events_come_through_the_websocket(
    front: Front, owner: httpx.AsyncClient
) -> None:
    headers = {"Authorization": f"Bearer {front.token}"}
    async with connect(f"{front.url.replace('http', 'ws')}/ws", additional_headers=headers) as socket:
        hello = json.loads(await socket.recv())
        assert hello["type"] == "hello"
        line = {"source": "notes", "external_id": "1", "author": "anna", "text": "please fix the broken gate"}
        answer = await owner.post("/api/messages", json=line)
        assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
        frames = await told(socket, "message.processed", "task.created")
    first = hello["position"] + 1
    assert [frame["position"] for frame in frames] == list(range(first, first + len(frames)))
    await becomes_a_task(owner, "broken gate")


async def test_signed_webhook_becomes_a_task_and_a_forged_one_is_refused(
    front: Front, anyone: httpx.AsyncClient, owner: httpx.AsyncClient
) -> None:
    front.tool("sources", "add", "webhook", "ci", "--secret", SECRET)
    body = json.dumps({"author": "ci", "text": "please fix the nightly build"}).encode()
    forged = await anyone.post("/webhook/ci", content=body, headers=signed(body, secret=OTHER_SECRET))
    assert forged.status_code == 401
    taken = await anyone.post("/webhook/ci", content=body, headers=signed(body))
    assert (taken.status_code, taken.json()) == (202, {"accepted": 1})
    await becomes_a_task(owner, "nightly build")


async def test_tools_import_a_file_and_look_at_the_dead(front: Front, tmp_path: Path, owner: httpx.AsyncClient) -> None:
    given = {"source": "old", "external_id": "1", "conversation": "c", "author": "anna"}
    line = given | {"sent_at": "2026-01-05T09:00:00Z", "text": "please fix the leaking tap"}
    path = tmp_path / "messages.jsonl"
    path.write_text(f"{json.dumps(line)}\nnot a message\n")
    said = json.loads(front.tool("import", path, "--json"))
    assert (said["accepted"], sum(said["refused"].values())) == (1, 1)
    await becomes_a_task(owner, "leaking tap")

    async def buried() -> bool:
        return bool((await owner.get("/api/dead")).json()["items"])

    await until(buried, what="the dead letter")
    [letter] = json.loads(front.tool("dead", "list", "--json"))
    assert letter["stage"] == "import"
    assert json.loads(front.tool("status", "--json"))["health"]["database"]["status"] == "ok"
    front.tool("dead", "drop", letter["id"])
    assert json.loads(front.tool("dead", "list", "--json")) == []


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/metrics/",
        "/metrics?x=1",
        "//metrics",
        "/%6detrics",
        "/x/../metrics",
        "/x/..%2fmetrics",
        "/metrics%00",
    ],
)
async def test_metrics_are_not_reachable(path: str, front: Front) -> None:
    # By hand: a client of any manners would tidy the path up.
    said = await raw(front, f"GET {path} HTTP/1.1", f"Authorization: Bearer {front.token}")
    assert said.split(b" ", 2)[1] in (b"404", b"400")
    assert b"tasktracker_" not in said


async def test_metrics_are_there_behind_nginx(front: Front) -> None:
    """The control: without nginx in between, the same token gets them."""
    port = front.environment("api")["TASKTRACKER_PORT"]
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {front.token}"}) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics")
    assert "tasktracker_http_requests_total" in answer.text


async def test_unknown_place_is_answered_as_a_problem(owner: httpx.AsyncClient) -> None:
    for path in ("/metrics", "/api/nothing"):
        answer = await owner.get(path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code == 404


async def test_foreign_host_and_origin_are_refused(front: Front, owner: httpx.AsyncClient) -> None:
    own = f"http://127.0.0.1:{front.port}"
    assert (await owner.get("/api/tasks", headers={"Host": "evil.example"})).status_code == 421
    assert (await owner.get("/api/tasks", headers={"Host": f"localhost:{front.port}"})).status_code == 200
    assert (await owner.get("/api/tasks", headers={"Origin": "http://evil.example"})).status_code == 403
    assert (await owner.get("/api/tasks", headers={"Origin": own})).status_code == 200
    headers = {"Authorization": f"Bearer {front.token}"}
    foreign = headers | {"Origin": "http://evil.example"}
    with pytest.raises(InvalidStatus):
        async with connect(f"{front.url.replace('http', 'ws')}/ws", additional_headers=foreign):
            pass


async def test_signing_in_works_and_the_cookie_is_secure_behind_tls(front: Front, anyone: httpx.AsyncClient) -> None:
    plain = await anyone.get("/", params={"token": front.token})
    assert (plain.status_code, plain.headers["location"]) == (303, "/")
    assert "secure" not in plain.headers["set-cookie"].lower()
    assert (await anyone.get("/api/tasks")).status_code == 200  # the client keeps its cookies
    tls = await anyone.get("/", params={"token": front.token}, headers={"X-Forwarded-Proto": "https"})
    assert "secure" in tls.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    ("path", "limit", "taken"), [("/api/messages", MAX_BODY, 422), ("/webhook/nobody", MAX_WEBHOOK, 401)]
)
async def test_body_may_be_as_large_behind_nginx_as_without_it(
    path: str, limit: int, taken: int, owner: httpx.AsyncClient
) -> None:
    fitting = json.dumps([]).encode().ljust(limit)
    assert (await owner.post(path, content=fitting)).status_code == taken
    refused = await owner.post(path, content=fitting + b" ")
    assert refused.status_code == 413
    assert refused.headers["content-type"] == "application/problem+json"


async def test_api_that_is_away_is_told_without_the_token_in_a_log(front: Front, anyone: httpx.AsyncClient) -> None:
    front.processes["api"].stop()
    try:
        for path in ("/api/tasks?said=this-is-logged", f"/?token={front.token}"):
            answer = await anyone.get(path)
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "2"
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == 503
        with pytest.raises(InvalidStatus):
            async with connect(f"{front.url.replace('http', 'ws')}/ws"):
                pass
        # The inlets do without the api.
        assert (await anyone.post("/webhook/nobody", content=b"{}")).status_code == 401
    finally:
        front.processes["api"].start()
    await until(front.serves, seconds=20, what="the api behind nginx")
    assert "this-is-logged" in front.log("nginx")
    assert front.token not in front.log("nginx")


@pytest.mark.parametrize("name", PROCESSES)
async def test_health_check_tells_a_process_that_serves_from_one_that_does_not(name: str, front: Front) -> None:
    await until(lambda: front.healthy(name), seconds=20, what=f"{name} to be healthy")


def test_health_check_fails_where_nobody_answers(front: Front) -> None:
    front.processes["commands"].stop()
    try:
        assert not front.healthy("commands")
    finally:
        front.processes["commands"].start()


def test_each_role_logs_in_as_itself_and_may_do_its_work(front: Front) -> None:
    """Last of all: nothing that the tests above asked for was refused."""
    for name in PROCESSES:
        assert front.processes[name].pid is not None
        said = front.log(name).lower()
        assert "violation" not in said, said
        assert "permission denied" not in said, said


async def raw(front: Front, request: str, *headers: str) -> bytes:
    """Send a request line as it stands, and read the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    try:
        lines = [request, f"Host: 127.0.0.1:{front.port}", "Connection: close", *headers, "", ""]
        writer.write("\r\n".join(lines).encode())
        await writer.drain()
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
