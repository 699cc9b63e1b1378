"""Secrets and personal data stay out of logs and metrics, at the most talkative level and when things go wrong."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import nats
import pytest
from websockets.sync.client import connect

from tests.connectors.signing import OTHER_SECRET, signed
from tests.deploy.cli.stacks import Up, open_folder, until, up

pytestmark = pytest.mark.stack

CANARY = "kanarek"
"""What all that must stay inside begins with; no program's own words hold it."""

TOKEN = f"{CANARY}-token-{uuid4().hex}"
KEY = f"{CANARY}-secret-{uuid4().hex}".encode()
SECRET = "whsec_" + b64encode(KEY).decode()
TEXT = f"please fix {CANARY}text, it crashes"
AUTHOR, MAIL = f"{CANARY}-author", f"{CANARY}@example.org"
PERSON = {"author": MAIL, "conversation": f"{CANARY}-talk"}


@pytest.fixture(scope="module")
def stack() -> Iterator[Up]:
    """Run a stack that logs all that it can, with a token of ours."""
    environment = {"TASKTRACKER_TOKEN": TOKEN, "TASKTRACKER_LOG_LEVEL": "DEBUG"}
    with open_folder() as folder, up(folder, environment=environment) as made:
        yield made


def logs(stack: Up) -> dict[str, str]:
    """Read every file that somebody logs to; what ``up`` prints for its owner holds the token, as it says."""
    files = [*stack.folder.rglob("*.log*"), *stack.folder.rglob("log/*"), stack.folder / "up.err"]
    return {path.name: path.read_text(errors="replace") for path in files if path.is_file()}


def figures(stack: Up) -> str:
    """Read the metrics of every process."""
    pages = [stack.client.get("/metrics").text]
    pages += [httpx.get(f"http://127.0.0.1:{port}/metrics").text for port in stack.running.metrics.values()]
    return "".join(pages)


def leaks(stack: Up) -> list[str]:
    """List the lines of logs and metrics with a canary, or with a secret as it is stored."""
    secrets = (CANARY, SECRET.removeprefix("whsec_"), KEY.hex())
    pages = logs(stack) | {"metrics": figures(stack)}
    assert {"api.log", "dataflow.log", "relay.log", "postgres.log", "nats.log", "metrics"} <= pages.keys()
    return [
        f"{name}: {line[:300]}"
        for name, page in pages.items()
        for line in page.splitlines()
        if any(secret in line for secret in secrets)
    ]


@pytest.fixture(autouse=True)
def known(stack: Up) -> list[str]:
    """List the leaks from before the test: each test answers for its own."""
    return leaks(stack)


def post(stack: Up, path: str, body: object) -> int:
    return stack.client.post(path, json=body).status_code


def test_good_messages_leave_nothing_in_logs_and_metrics(stack: Up, known: list[str]) -> None:
    assert post(stack, "/api/sources", {"slug": "ci", "channel": "webhook", "secret": [SECRET, OTHER_SECRET]}) == 201
    with connect(
        f"{stack.url.replace('http', 'ws')}/ws", additional_headers={"Authorization": f"Bearer {TOKEN}"}
    ) as socket:
        socket.recv(10)
        line = {"source": "chat", "external_id": "1", "text": TEXT} | PERSON
        assert post(stack, "/api/messages", line) == 202
        hook = json.dumps({"text": TEXT, "author": AUTHOR}).encode()
        assert httpx.post(f"{stack.url}/webhook/ci", content=hook, headers=signed(hook, secret=SECRET)).is_success
        until(lambda: CANARY in str(socket.recv(10)), what="the event")
    until(lambda: stack.count("ci") == stack.count("chat") == 1, what="both messages")
    [task, *_] = until(lambda: stack.api("tasks")["items"], what="the tasks")
    assert post(stack, f"/api/tasks/{task['id']}/comments", {"text": TEXT}) == 201
    changed = stack.client.patch(
        f"/api/tasks/{task['id']}", json={"title": TEXT, "assignee": AUTHOR}, headers={"If-Match": "*"}
    )
    assert changed.is_success
    assert httpx.get(f"{stack.url}/?token={TOKEN}").status_code == 303
    assert leaks(stack) == known


def test_imported_mails_leave_nothing_in_logs_and_metrics(stack: Up, known: list[str], tmp_path: Path) -> None:
    mail = f"From: {AUTHOR} <{MAIL}>\nMessage-ID: <1@x>\nSubject: {TEXT}\n\n{TEXT}\n"
    (tmp_path / "good.eml").write_text(mail)
    (tmp_path / "large.eml").write_text(mail + TEXT * 10_000)
    (tmp_path / "none.eml").write_text(f"{TEXT}\n{MAIL}")
    report = stack.json("import", tmp_path, "--source", "box")
    assert (report["accepted"], sum(report["refused"].values())) == (1, 2)
    until(lambda: stack.count("box") == 1, what="the mail")
    assert leaks(stack) == known


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/messages", {"source": "chat", "external_id": "", "text": TEXT} | PERSON, 422),
        ("/api/messages", {"source": CANARY.upper(), "external_id": "2", "text": TEXT, CANARY: MAIL}, 422),
        ("/api/messages", {"source": "ci", "external_id": "2", "text": TEXT} | PERSON, 409),
        ("/api/messages", {"source": "chat", "external_id": "2", "text": f"{TEXT}\0"}, 422),
        ("/api/tasks", {"title": TEXT, "assignee": AUTHOR, "due": TEXT}, 422),
        ("/api/tasks", {"title": f"{TEXT}\ud800"}, 422),
        ("/api/sources", {"slug": "other", "channel": "webhook", "secret": f"{CANARY}-weak"}, 422),
        ("/api/sources", {"slug": "chat", "channel": "webhook", "secret": SECRET}, 409),
        ("/api/sources", {"slug": "other", "channel": "webhook", "secret": SECRET, "settings": {"x": SECRET}}, 422),
    ],
)
def test_refused_requests_leave_nothing_in_logs_and_metrics(
    stack: Up, known: list[str], path: str, body: object, status: int
) -> None:
    content = json.dumps(body).encode()
    answer = stack.client.post(path, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert leaks(stack) == known


def test_strangers_leave_nothing_in_logs_and_metrics(stack: Up, known: list[str]) -> None:
    body = json.dumps({"text": TEXT}).encode()
    strangers = {
        "authorization": f"Bearer {CANARY}",
        "cookie": f"tasktracker={CANARY}; {CANARY}={MAIL}",
        "origin": f"http://{CANARY}.org",
    }
    assert httpx.post(f"{stack.url}/webhook/ci", content=body, headers=signed(body)).status_code == 401
    assert httpx.post(f"{stack.url}/webhook/{CANARY}", content=body).status_code == 401
    assert httpx.get(f"{stack.url}/api/{CANARY}", headers=strangers).status_code == 403
    assert httpx.get(f"{stack.url}/?token={CANARY}").status_code == 401
    assert stack.client.get(f"/api/{CANARY}", params={"q": TEXT}).status_code == 404
    assert stack.client.get("/api/tasks", params={"q": TEXT, "cursor": CANARY}).status_code == 422
    assert leaks(stack) == known


def test_poison_and_dead_letters_leave_nothing_in_logs_and_metrics(stack: Up, known: list[str]) -> None:
    good = {"channel": "api", "source": "chat", "external_id": "3", "text": TEXT, "author": MAIL, "author_name": AUTHOR}
    times = {"sent_at": "2026-01-01T00:00:00Z", "received_at": "2026-01-01T00:00:00Z"}
    deep = {"format": "html", "text": f"<b>{CANARY}" * 6_000}
    poison = [
        f"{TEXT} {MAIL}".encode(),
        json.dumps(good | {"sent_at": MAIL}).encode(),
        json.dumps(good | times | {CANARY: MAIL}).encode(),
        json.dumps(good | times | {"source": "other"}).encode(),
        json.dumps(good | times | {"payload": {"x": f"{CANARY}\0"}}).encode(),
        json.dumps(good | times | {"payload": {"x": f"{CANARY}\ud800"}}).encode(),
        json.dumps(good | times | deep).encode(),
    ]
    task = str(uuid4())
    wishes = [
        f"{TEXT} {MAIL}".encode(),
        json.dumps({"id": "1", "actor": MAIL, "task": task, "change": {"title": TEXT, CANARY: MAIL}}).encode(),
        json.dumps({"id": "2", "actor": MAIL, "task": task, "change": {"title": TEXT}}).encode(),
        json.dumps({"id": "3", "actor": MAIL, "task": task, "workspace": CANARY, "change": {"title": TEXT}}).encode(),
    ]
    subjects = [
        *(("raw.default.api.chat", body) for body in poison),
        *(("commands.default.api", each) for each in wishes),
    ]
    asyncio.run(publish(stack, subjects))
    before = len(stack.rows("select id from dead_letters where stage = 'import'"))
    until(
        lambda: len(stack.rows("select id from dead_letters")) == before + len(subjects),
        what=f"{len(subjects)} dead letters",
    )
    for letter in stack.api("dead", limit=200)["items"]:
        stack.api(f"dead/{letter['id']}")
        stack.run("dead", "requeue", letter["id"])
    assert leaks(stack) == known


async def publish(stack: Up, messages: list[tuple[str, bytes]]) -> None:
    client = await nats.connect(stack.settings.nats("operator"), inbox_prefix=b"_INBOX_operator")
    for subject, body in messages:
        await client.jetstream().publish(subject, body)
    await client.close()


def test_canary_in_a_log_is_found(stack: Up) -> None:
    found = stack.folder / "logs" / "api.log"
    whole = found.read_text()
    try:
        found.write_text(f"{whole}\nDEBUG somebody: {MAIL}\n")
        assert f"api.log: DEBUG somebody: {MAIL}" in leaks(stack)
    finally:
        found.write_text(whole)
