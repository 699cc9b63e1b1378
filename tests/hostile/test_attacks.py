"""Attacks on a running stack: refused or cut off, nothing restarts, nothing grows, and good clients notice nothing."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import quantiles

import pytest

from tests.connectors.signing import SECRET, signed
from tests.deploy.cli.stacks import Up, open_folder, processes_of, up
from tests.hostile.attackers import bomb, deep, greedy_clients, packed_text, send_much, slow_clients

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(
        "TASKTRACKER_TEST_ATTACKS" not in os.environ,
        reason="compares times: run it alone on a quiet machine, with TASKTRACKER_TEST_ATTACKS=1",
    ),
]

GROWTH = 64 * 1024 * 1024
"""Bytes that the api's process may grow by, at its greatest."""

SLOW_CLIENTS, REQUESTS, ROUNDS = 50, 200, 3
WORSE = 1.5
DOORS = (
    "/api/messages",
    "/api/tasks",
    "/api/sources",
    "/webhook/ci",
    "/webhook/mapped",
    "/webhook/open",
    "/webhook/none",
)


@pytest.fixture(scope="module")
def stack() -> Iterator[Up]:
    """Run a stack with a webhook of each kind."""
    with open_folder() as folder, up(folder) as made:
        settings = {"ci": {}, "mapped": {"map": {"text": "/a"}}, "open": {"unsigned": True, "map": {"text": "/a"}}}
        for slug, given in settings.items():
            body = {"slug": slug, "channel": "webhook", "settings": given} | (
                {} if slug == "open" else {"secret": SECRET}
            )
            assert made.client.post("/api/sources", json=body).status_code == 201
        yield made


@pytest.fixture(autouse=True)
def unharmed(stack: Up) -> Iterator[None]:
    """After each attack the same processes run and serve, and the api has not grown."""
    processes, api = processes_of(stack.folder), api_process(stack)
    stack.client.get("/api/tasks")
    before = memory(api, "VmRSS")
    (api / "clear_refs").write_text("5")  # the greatest size is counted from now on
    yield
    assert processes_of(stack.folder) == processes
    assert stack.api("health/ready") == {"status": "ok"}
    assert memory(api, "VmHWM") - before < GROWTH


def api_process(stack: Up) -> Path:
    [found] = [pid for pid, line in processes_of(stack.folder).items() if "deploy.roles api" in line]
    return Path(f"/proc/{found}")


def memory(process: Path, what: str) -> int:
    [line] = [line for line in (process / "status").read_text().splitlines() if line.startswith(f"{what}:")]
    return int(line.split()[1]) * 1024


def headers(stack: Up, path: str, body: bytes, **more: str) -> dict[str, str]:
    """Make the headers of somebody who may come in by that door."""
    ours = signed(body) if path.startswith("/webhook") else {"Authorization": f"Bearer {stack.token}"}
    return {"Content-Type": "application/json"} | ours | {name.replace("_", "-"): value for name, value in more.items()}


@pytest.mark.parametrize("kind", ["lists", "objects", "mixed", "unclosed"])
def test_json_of_a_hundred_thousand_levels_is_refused(stack: Up, kind: str) -> None:
    body = deep(kind)
    for path in DOORS:
        answer = stack.client.post(path, content=body, headers=headers(stack, path, body))
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


def test_settings_nested_deep_are_refused(stack: Up) -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        nested = f"{opening * 60_000}1{closing * 60_000}"
        body = f'{{"slug": "s", "channel": "webhook", "settings": {{"a": {nested}}}}}'.encode()
        answer = stack.client.post("/api/sources", content=body, headers={"content-type": "application/json"})
        assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("path", ["/api/messages", "/webhook/ci", "/webhook/none"])
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "sized"])
def test_body_of_a_hundred_megabytes_is_refused_or_cut_off(stack: Up, path: str, chunked: bool) -> None:
    status = send_much(stack.url, path, headers(stack, path, b""), chunked=chunked)
    assert status in (None, 413)


@pytest.mark.parametrize("packed", [bomb, packed_text], ids=["bomb", "message"])
def test_packed_body_is_not_unpacked(stack: Up, packed: Callable[[], bytes]) -> None:
    body = packed()
    for path in DOORS:
        for encoding in ("gzip", "deflate", "gzip, gzip", "br"):
            given = headers(stack, path, body, content_encoding=encoding)
            assert stack.client.post(path, content=body, headers=given).status_code == 415
        answer = stack.client.post(path, content=body, headers=headers(stack, path, body))
        assert answer.status_code in (400, 401, 422)


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 20_000, b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 500_000, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0" * 1_000,
        b"POST /api/messages HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/messages HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=["headers", "path", "header", "tls", "nul", "smuggled", "negative", "http2"],
)  # fmt: skip
def test_nonsense_on_the_line_is_refused_or_cut_off(stack: Up, request_line: bytes) -> None:
    said = raw(stack, request_line)
    assert said is None or 400 <= said < 500


def raw(stack: Up, content: bytes) -> int | None:
    port = int(stack.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        try:
            client.sendall(content + b"\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            return int(client.recv(64).split(b" ")[1])
        except (OSError, IndexError):
            return None


def test_good_clients_notice_nothing_of_slow_ones(stack: Up) -> None:
    ratios = worse(stack, lambda: slow_clients(stack.url, SLOW_CLIENTS))
    assert min(ratios) <= WORSE, ratios


def test_good_clients_that_do_notice_are_seen(stack: Up) -> None:
    [ratio] = worse(stack, lambda: greedy_clients(stack.url, stack.token, 4), rounds=1, requests=40)
    assert ratio > WORSE


def worse(
    stack: Up, attack: Callable[[], AbstractContextManager[None]], *, rounds: int = ROUNDS, requests: int = REQUESTS
) -> list[float]:
    """Measure how much longer good clients wait under an attack, in some rounds, each beside its own calm."""
    ratios = []
    for _ in range(rounds):
        alone = p95(stack, requests)
        with attack():
            ratios.append(p95(stack, requests) / alone)
    return ratios


def p95(stack: Up, requests: int) -> float:
    """Measure the time that 95% of a good client's requests take at most."""
    times = []
    for _ in range(requests):
        begun = time.perf_counter()
        assert stack.client.get("/api/tasks", params={"limit": 1}).status_code == 200
        times.append(time.perf_counter() - begun)
    return quantiles(times, n=20)[-1]
