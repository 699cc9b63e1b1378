"""Real messages, real mails and hostile JSON: each ends as a row, a dead letter or a refusal at the door."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from connectors.files import Bad, Files, Found
from tests.connectors.signing import SECRET
from tests.deploy.cli.stacks import SHARED, Up, processes_of, until

MESSAGES = SHARED / "data/messages.jsonl"
PAYLOADS = SHARED / "payloads"
MAILS = sorted(PAYLOADS.glob("email_*"))


@pytest.mark.skipif(not MESSAGES.exists(), reason="the real messages are not here: ../shared/data/messages.jsonl")
def test_every_real_message_becomes_a_row_and_the_same_again_adds_nothing(house: Up) -> None:
    given = {(each["source"], each["external_id"]) for each in map(json.loads, MESSAGES.read_bytes().splitlines())}
    before = processes_of(house.folder)
    first = house.json("import", MESSAGES)
    assert first == {"accepted": len(given), "refused": {}, "resumed_at": 0, "added": len(given)}
    sources = list({source for source, _ in given})
    rows = house.rows("select source, external_id from messages where source = any(%s)", sources)
    assert {(row["source"], row["external_id"]) for row in rows} == given
    stats = house.api("stats")
    again = house.json("import", MESSAGES)
    assert (again["accepted"], again["added"]) == (len(given), 0)
    assert house.api("stats") == stats
    assert processes_of(house.folder) == before


@pytest.mark.skipif(not MAILS, reason="the real mails are not here: ../shared/payloads/email_*")
@pytest.mark.parametrize("mails", MAILS, ids=lambda path: path.name)
def test_every_real_mail_ends_as_a_row_a_revision_or_a_dead_letter(house: Up, mails: Path) -> None:
    source = mails.name.replace("_", "-")
    items = list(Files(source=source).read(mails))
    found = [item.message for item in items if isinstance(item, Found)]
    bad = [item for item in items if isinstance(item, Bad)]
    assert len(items) >= len([path for path in mails.iterdir() if not path.name.startswith(".")])
    before = processes_of(house.folder)
    report = house.json("import", mails, "--source", source)
    assert report["accepted"] + sum(report["refused"].values()) == len(items)
    assert all(report["refused"])
    held = until(lambda: _where(house, source, [message.external_id for message in found], len(bad)))
    missing = [message.external_id for message in found if message.external_id not in held]
    assert missing == []
    state = _state(house, source)
    assert house.json("import", mails, "--source", source)["added"] == 0
    assert _state(house, source) == state
    assert processes_of(house.folder) == before


def _where(house: Up, source: str, wanted: list[str], bad: int) -> set[str]:
    """List the ids that are rows or dead letters; nothing before all letters of the import are there."""
    rows = house.rows("select external_id from messages where source = %s", source)
    letters = house.rows(
        "select stage, convert_from(body, 'utf8')::jsonb ->> 'external_id' as external_id from dead_letters "
        "where subject = %s and stage <> 'import' and reason <> ''",
        f"bulk.default.files.{source}",
    )
    [refused] = house.rows(
        "select count(*) as n from dead_letters where subject = %s and stage = 'import' and reason <> ''",
        f"bulk.default.files.{source}",
    )
    held = {row["external_id"] for row in (*rows, *letters)}
    return held if held >= set(wanted) and refused["n"] >= min(bad, 1) else set()


def _state(house: Up, source: str) -> list[dict[str, Any]]:
    return house.rows(
        "select id, digest, (select count(*) from revisions where message = messages.id) as revisions, "
        "(select count(*) from tasks where origin = messages.id) as tasks from messages where source = %s order by id",
        source,
    )


@pytest.fixture(scope="module")
def door(house: Up) -> str:
    """Register a webhook with a secret; give its URL."""
    said = house.json("sources", "add", "webhook", "ci", "--secret", SECRET)
    return str(said["url"])


@pytest.fixture(scope="module")
def outside() -> Iterator[httpx.Client]:
    """Give a client that is not signed in."""
    with httpx.Client(timeout=30) as client:
        yield client


def post(outside: httpx.Client, url: str, body: bytes, webhook_id: str) -> httpx.Response:
    at = datetime.now(UTC)
    # the library signs text; a body of other bytes is one that it could not have signed
    signature = Webhook(SECRET).sign(webhook_id, at, body.decode("utf-8", "replace"))
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
        "content-type": "application/json",
    }
    return outside.post(url, content=body, headers=headers)


def test_signed_webhook_becomes_a_task(house: Up, door: str, outside: httpx.Client) -> None:
    body = b'{"text": "The nightly build crashes on arm64, please fix it", "author": "ci"}'
    answer = post(outside, door, body, "msg_build")
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    [task] = until(
        lambda: [
            task
            for task in house.api("tasks", limit=200)["items"]
            if "ci" in {each["source"] for each in task["evidence"]}
        ],
        what="the task",
    )
    assert "arm64" in task["evidence"][0]["text"]
    assert post(outside, door, body + b" ", "msg_build").status_code == 202
    assert outside.post(door, content=body, headers={"content-type": "application/json"}).status_code == 401
    assert house.count("ci") == 1


@pytest.mark.skipif(not PAYLOADS.exists(), reason="the JSON test suite is not here: ../shared/payloads/json_suite")
def test_hostile_json_is_refused_at_the_door(house: Up, door: str, outside: httpx.Client) -> None:
    before = processes_of(house.folder)
    stored = house.count("ci")
    bodies = {path.name: path.read_bytes() for path in sorted((PAYLOADS / "json_suite").iterdir())}
    statuses = {name: post(outside, door, body, name).status_code for name, body in bodies.items()}
    assert len(statuses) > 300
    assert {name: status for name, status in statuses.items() if not 400 <= status < 500} == {}
    assert {status for name, status in statuses.items() if name.startswith("y_")} <= {422}
    assert house.count("ci") == stored
    assert processes_of(house.folder) == before
