"""Requests made up from the OpenAPI document: none is answered by a 5xx, each answer is as the document says."""

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.cli.stacks import Up, clean_environment, open_folder, until, up

pytestmark = pytest.mark.stack

SHORT = 300
REQUESTS = int(os.environ.get("TASKTRACKER_FUZZ", SHORT))
"""How many requests are made at least."""

SEED = 1 if REQUESTS <= SHORT else secrets.randbits(32)
"""The short form asks the same each time; the seed of the long one is printed when it fails."""

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method",
    "ignored_auth", "use_after_free", "ensure_resource_availability",
)  # fmt: skip
"""Not asked: that all that fits the document is taken (a cursor must be one of ours), and what Allow lists."""

CONFIGURATION = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 411, 412, 413, 415, 422, 428, 429]
"""
_RUN = "from schemathesis.cli import schemathesis; schemathesis()"
_SERVED = re.compile(r'^tasktracker_http_requests_total\{.*status="(\d+)".*\} (\S+)$', re.M)


@pytest.fixture(scope="module")
def stack() -> Iterator[Up]:
    """Run a stack that holds a task, a reply, an edit and a dead letter."""
    with open_folder() as folder, up(folder) as made:
        line = {"source": "chat", "external_id": "1", "text": "please fix the login, it crashes", "author": "anna"}
        lines = [
            line,
            line | {"external_id": "2", "reply_to": "1", "text": "ok"},
            line | {"kind": "edit", "revision": 7},
        ]
        assert made.client.post("/api/messages", json=lines).status_code == 202
        made.run("import", _no_mail(folder), "--as", "eml", "--json")
        until(lambda: made.count("chat") == 2 and made.api("dead")["items"] and made.api("tasks")["items"])
        yield made


def _no_mail(folder: Path) -> Path:
    path = folder / "no.eml"
    path.write_text("no mail")
    return path


def served(stack: Up) -> dict[int, int]:
    """Count what the api itself says that it answered, by status."""
    counts: dict[int, int] = {}
    for status, number in _SERVED.findall(stack.client.get("/metrics").text):
        counts[int(status)] = counts.get(int(status), 0) + int(float(number))
    return counts


def fuzz(
    stack: Up, folder: Path, *options: object, seed: int = SEED, parameters: str = ""
) -> subprocess.CompletedProcess[str]:
    """Make requests up from the document and look at each answer."""
    configuration, document = folder / "schemathesis.toml", folder / "openapi.json"
    configuration.write_text(parameters + CONFIGURATION)
    document.write_bytes(stack.client.get("/openapi.json").content)
    arguments = [
        sys.executable, "-c", _RUN, "--config-file", configuration, "run", document, "--url", stack.url,
        "--header", f"Authorization: Bearer {stack.token}", "--seed", seed, "--checks", ",".join(CHECKS), "--no-color",
        "--generation-database", "none", "--continue-on-failure", *options,
    ]  # fmt: skip
    return subprocess.run(
        list(map(str, arguments)), capture_output=True, text=True, timeout=600, check=False, cwd=folder,
        env=clean_environment(),
    )  # fmt: skip


@pytest.mark.timeout(900)
def test_any_request_is_answered_as_the_document_says_and_never_by_a_fault(stack: Up, tmp_path: Path) -> None:
    before = sum(served(stack).values())
    for turn in range(20):
        ended = fuzz(stack, tmp_path, "--max-examples", 5 if REQUESTS <= SHORT else 100, seed=SEED + turn)
        assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr[-2_000:]
        if sum(served(stack).values()) - before >= REQUESTS:
            break
    counts = served(stack)
    assert sum(counts.values()) - before >= REQUESTS
    assert {status: number for status, number in counts.items() if status >= 500} == {}
    assert {200, 201, 202, 404, 405, 422} <= counts.keys()
    assert stack.json("status")["wrong"] == []


def test_answers_about_what_there_is_are_as_the_document_says(stack: Up, tmp_path: Path) -> None:
    [letter, *_], [task, *_] = stack.api("dead")["items"], stack.api("tasks")["items"]
    [message, *_] = stack.api("messages")["items"]
    names = {
        "path.letter": letter["id"],
        "path.task": task["id"],
        "path.name": task["id"],
        "path.message": message["id"],
    }
    known = "".join(f"{json.dumps(name)} = {json.dumps(value)}\n" for name, value in names.items())
    before = served(stack)
    options = ("--max-examples", 5, "--phases", "fuzzing", "--mode", "positive")
    ended = fuzz(stack, tmp_path, *options, parameters=f"[parameters]\n{known}")
    assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr[-2_000:]
    assert served(stack)[200] - before[200] >= 15


def test_document_that_is_not_kept_is_told(stack: Up, tmp_path: Path) -> None:
    document = stack.client.get("/openapi.json").json()
    document["paths"]["/api/stats"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] = {
        "type": "string"
    }
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    arguments = [sys.executable, "-c", _RUN, "run", "openapi.json", "--url", stack.url, "--max-examples", "3"]
    arguments += ["--header", f"Authorization: Bearer {stack.token}", "--include-path", "/api/stats"]
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert ended.returncode == 1, ended.stdout
