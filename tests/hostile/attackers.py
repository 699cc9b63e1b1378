"""Clients that mean no good: slow ones, endless ones, deep ones."""

import gzip
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx

HUNDRED_MEGABYTES = 100 * 1024 * 1024
DEPTH = 100_000
_PIECE = b"x" * 65_536


def bomb() -> bytes:
    """Pack 100 MB of blanks into some 100 kB."""
    packer = zlib.compressobj(9, wbits=31)
    packed = b"".join(packer.compress(b" " * 1_048_576) for _ in range(100))
    return packed + packer.flush()


def deep(kind: str) -> bytes:
    """Nest JSON 100,000 levels deep."""
    turns = {"lists": (b"[", b"]"), "objects": (b'{"a":', b"}"), "unclosed": (b"[", b""), "mixed": (b'[{"a":', b"}]")}
    opening, closing = turns[kind]
    return opening * DEPTH + b"1" + closing * DEPTH


def packed_text() -> bytes:
    """Pack a good message."""
    return gzip.compress(b'{"source": "chat", "external_id": "z", "text": "hello"}')


def send_much(
    url: str, path: str, headers: dict[str, str], *, size: int = HUNDRED_MEGABYTES, chunked: bool
) -> int | None:
    """Send a body of ``size`` bytes for as long as it is taken; return the status, None when the door was shut."""
    how = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    parts = urlsplit(url)
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {parts.netloc}",
        how,
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    piece = b"%x\r\n%s\r\n" % (len(_PIECE), _PIECE) if chunked else _PIECE
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        with suppress(OSError):
            for _ in range(size // len(_PIECE)):
                client.sendall(piece)
        try:
            return int(client.recv(64).split(b" ")[1])
        except (OSError, IndexError):
            return None


@contextmanager
def slow_clients(url: str, number: int) -> Iterator[None]:
    """Hold connections on which a byte of a header comes a second, while the block runs."""
    parts = urlsplit(url)

    def crawl(begun: threading.Barrier, stop: threading.Event, place: int) -> None:
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
            client.sendall(f"GET /api/tasks HTTP/1.1\r\nHost: {parts.netloc}\r\nX-Slow: ".encode())
            begun.wait(20)
            stop.wait(place / number)
            while not stop.wait(1.0):
                client.sendall(b"a")

    with _together(crawl, number):
        yield


@contextmanager
def greedy_clients(url: str, token: str, number: int) -> Iterator[None]:
    """Ask for much, one request after the other, while the block runs."""

    def ask(begun: threading.Barrier, stop: threading.Event, _: int) -> None:
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=20) as client:
            begun.wait(20)
            while not stop.is_set():
                client.get("/openapi.json")

    with _together(ask, number):
        yield


@contextmanager
def _together(work: Callable[[threading.Barrier, threading.Event, int], None], number: int) -> Iterator[None]:
    begun, stop = threading.Barrier(number + 1), threading.Event()

    def run(place: int) -> None:
        with suppress(OSError, httpx.HTTPError):  # the server may well shut the door
            work(begun, stop, place)

    threads = [threading.Thread(target=run, args=(place,)) for place in range(number)]
    for thread in threads:
        thread.start()
    try:
        begun.wait(20)
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)
