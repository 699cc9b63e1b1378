"""Everything that other platforms really send, and strings made to hurt, through every door of a running stack."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipelines.reading.text import clean
from tests.deploy.cli.stacks import SHARED, Up, processes_of, until

PAYLOADS = SHARED / "payloads"
pytestmark = pytest.mark.skipif(not PAYLOADS.is_dir(), reason="the real payloads are not here: ../shared/payloads")

POINTERS = {
    "telegram": {"text": "/message/text", "external_id": "/update_id", "conversation": "/message/chat/id"},
    "slack": {"text": "/event/text", "external_id": "/event_id", "author": "/event/user"},
    "github": {"text": "/issue/title", "external_id": "/issue/node_id", "author": "/sender/login"},
}
"""How a webhook reads what a platform sends, without knowing the platform."""


def texts() -> list[str]:
    naughty = json.loads((PAYLOADS / "naughty/blns.json").read_bytes())
    return [*naughty, *json.loads((PAYLOADS / "xss/payloads.json").read_bytes())]


def documents(platform: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(PAYLOADS.glob(f"{platform}*/*.json"))]


@pytest.fixture(autouse=True)
def unharmed(house: Up) -> Iterator[None]:
    """See that every process is the same afterwards, serves, and has nothing to complain of."""
    before, logs = processes_of(house.folder), sorted((house.folder / "logs").glob("*.log"))
    seen = {log: log.stat().st_size for log in logs}
    yield
    assert processes_of(house.folder) == before
    assert house.api("health/ready") == {"status": "ok"}
    news = b"".join(log.read_bytes()[seen[log] :] for log in logs)
    assert b"Traceback" not in news
    assert b"ERROR" not in news


def settled(house: Up, source: str, wanted: set[str]) -> dict[str, str]:
    """Wait until each id is a row or a dead letter; give the texts of the rows."""

    def found() -> dict[str, str] | None:
        rows = house.rows("select external_id, text from messages where source = %s", source)
        letters = house.rows(
            "select convert_from(body, 'utf8')::jsonb ->> 'external_id' as external_id from dead_letters "
            "where subject like %s and stage <> 'import' and reason <> ''",
            f"%.{source}",
        )
        there = {row["external_id"] for row in (*rows, *letters)}
        return {row["external_id"]: row["text"] for row in rows} if there >= wanted else None

    kept: dict[str, str] = until(found, seconds=60, what=f"all of {source} to be kept")
    return kept


def shown(house: Up, source: str) -> Iterator[tuple[str, str]]:
    """List the ids and texts that the api shows, page by page."""
    query: dict[str, Any] = {"source": source, "limit": 200}
    while True:
        page = house.api("messages", **query)
        yield from ((item["external_id"], item["text"]) for item in page["items"])
        if page["next_cursor"] is None:
            return
        query["cursor"] = page["next_cursor"]


def sent(client: httpx.Client, url: str, lines: Sequence[dict[str, Any]]) -> set[str]:
    """Send messages together, or one by one where they are refused together; give the ids of those accepted."""
    answer = client.post(url, json=lines)
    assert answer.status_code < 500, answer.text
    if answer.is_success:
        return {line["external_id"] for line in lines}
    if len(lines) == 1:
        return set()
    half = len(lines) // 2
    return sent(client, url, lines[:half]) | sent(client, url, lines[half:])


@pytest.mark.parametrize("door", ["api", "webhook", "import"])
def test_strings_made_to_hurt_are_kept_as_they_are(house: Up, door: str, tmp_path: Path) -> None:
    source, strings = f"naughty-{door}", texts()
    lines = [
        {"source": source, "external_id": str(number), "text": text, "author": text[:100] or None}
        for number, text in enumerate(strings)
    ]
    if door == "import":
        file = tmp_path / "naughty.jsonl"
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        report = house.json("import", file)
        assert report["accepted"] + sum(report["refused"].values()) == len(lines)
        accepted = {str(number) for number in range(len(lines))}
        assert report["accepted"] == len(accepted)
    else:
        url = "/api/messages"
        if door == "webhook":
            url = house.json("sources", "add", "webhook", source, "--settings", '{"unsigned": true}')["url"]
        accepted = sent(house.client, url, lines)
    assert len(accepted) == len(lines)
    kept = settled(house, source, accepted)
    assert kept == {str(number): clean(text) for number, text in enumerate(strings)}
    assert dict(shown(house, source)) == kept


@pytest.mark.parametrize("platform", POINTERS)
def test_what_a_platform_sends_is_kept_or_refused_at_a_webhook_that_points_at_its_fields(
    house: Up, platform: str
) -> None:
    settings = json.dumps({"unsigned": True, "map": POINTERS[platform]})
    url = house.json("sources", "add", "webhook", f"points-{platform}", "--settings", settings)["url"]
    bodies, accepted = documents(platform), set()
    assert len(bodies) > 50
    for number, body in enumerate(bodies):
        answer = house.client.post(url, content=body, headers={"webhook-id": str(number)})
        assert answer.status_code in (202, 422), answer.text
        if answer.status_code == 202:
            document = json.loads(body)
            for part in POINTERS[platform]["external_id"].split("/")[1:]:
                document = document[part] if isinstance(document, dict) and part in document else str(number)
            accepted.add(str(document))
    assert len(accepted) >= 3
    settled(house, f"points-{platform}", accepted)


@pytest.mark.parametrize("platform", POINTERS)
def test_what_a_platform_sends_is_a_dead_letter_of_an_import_each(house: Up, platform: str, tmp_path: Path) -> None:
    lines = [json.dumps(json.loads(body)) for body in documents(platform)]
    file = tmp_path / f"{platform}.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines))
    before = house.api("dead", limit=1)["items"]
    report = house.json("import", file)
    assert (report["accepted"], sum(report["refused"].values())) == (0, len(lines))
    until(lambda: house.api("dead", limit=1)["items"] != before, what="a dead letter")


@pytest.mark.parametrize("path", ["/api/messages", "/api/tasks", "/api/sources", "/webhook/nobody"])
def test_no_file_is_a_fault_of_a_route_that_takes_a_body(house: Up, path: str) -> None:
    files = [file for file in sorted(PAYLOADS.rglob("*")) if file.is_file()]
    assert len(files) > 800
    headers = {"Content-Type": "application/json"}
    answers = {str(file): house.client.post(path, content=file.read_bytes(), headers=headers) for file in files}
    assert {file: answer.text for file, answer in answers.items() if answer.is_server_error} == {}
    assert sum(answer.is_client_error for answer in answers.values()) > 800
