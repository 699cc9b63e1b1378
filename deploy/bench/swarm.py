"""Many WebSocket clients in one process, on bare sockets: ``python -m deploy.bench.swarm``, told what to do on stdin.

A line of JSON is a command, ``{"do": "join", "count": 100}``; a line of JSON answers it. The first line says where the
api is. A client knows the one thing that it must check: the position of the last event that it saw.
"""

import asyncio
import base64
import json
import os
import random
import socket
import struct
import sys
from array import array
from collections import Counter
from collections.abc import Sequence
from time import time
from typing import Any, cast

import uvloop

from deploy.bench.counts import quantile

STAMP = b"published-at "
"""Behind it stands in a message's text when it was published, with six decimals."""

_EVENT = b'{"type":"event","position":'
_SMALL_BUFFER, _USUAL_BUFFER = 16_384, 262_144
_SEGMENT = 1_460
"""Bytes of a segment on a real network. With the 64 KB of this machine's own, the kernel alone holds megabytes back."""

_JOIN_SECONDS = 30.0
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class Client(asyncio.Protocol):
    """One page: it follows the events, and resumes behind the last one that it saw."""

    __slots__ = (
        "_hear",
        "_heard",
        "_upgraded",
        "code",
        "ended",
        "hello",
        "leaving",
        "position",
        "since",
        "slow",
        "transport",
    )

    def __init__(self, swarm: "Swarm") -> None:
        self._hear = swarm.hear
        self.position: int | None = None
        self.slow = False
        self.leaving = True
        self.transport: asyncio.Transport | None = None
        self._reset()

    def _reset(self) -> None:
        loop = asyncio.get_running_loop()
        self._heard, self._upgraded = b"", False
        self.code: int | None = None
        self.since = 0.0
        self.hello: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()

    async def dial(self, host: str, port: int, request: bytes) -> None:
        """Connect and wait for hello; raises OSError when that fails."""
        if self.transport is not None:
            await self.ended  # else its end would be taken for the new one's
        self._reset()
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.setblocking(False)
        # A reset in place of a farewell: no port is kept back, and the server is told nothing.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if self.slow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)
        try:
            await loop.sock_connect(sock, (host, port))
        except BaseException:
            sock.close()
            raise
        transport, _ = await loop.create_connection(lambda: self, sock=sock)
        transport.write(request)
        await asyncio.wait([self.hello, self.ended], return_when=asyncio.FIRST_COMPLETED, timeout=_JOIN_SECONDS)
        if not self.hello.done():
            transport.abort()
            raise ConnectionError(f"no hello, but {self.code}")
        self.leaving = False

    def end(self) -> str:
        """Say how it was closed: with which code, with ``none``, or that it is ``open`` still."""
        if not self.ended.done():
            return "open"
        return "none" if self.code is None else str(self.code)

    def read_on(self) -> None:
        """Read again, at the usual speed, what has been left unread."""
        if self.transport is not None:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _USUAL_BUFFER)
            self.transport.resume_reading()

    def leave(self) -> None:
        """Vanish without a word."""
        self.leaving = True
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        now = time()
        heard = self._heard + data if self._heard else data
        start = 0
        if not self._upgraded:
            end = heard.find(b"\r\n\r\n")
            if end < 0:
                self._heard = heard
                return
            self._upgraded, start = True, end + 4
        while (frame := _frame(heard, start)) is not None:
            opcode, first, start = frame
            if opcode == _TEXT:
                self._hear(self, heard, first, start, now)
            elif opcode == _PING and self.transport is not None:
                self.transport.write(_masked(_PONG, heard[first:start]))
            elif opcode == _CLOSE and self.transport is not None:
                self.code = int.from_bytes(heard[first : first + 2], "big")
                self.transport.write(_masked(_CLOSE, heard[first : first + 2]))
                self.transport.close()
        self._heard = heard[start:]

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self.transport = None
        self.ended.set_result(None)


def _frame(heard: bytes, start: int) -> tuple[int, int, int] | None:
    """Find a whole frame of a server at ``start``: its opcode, and where its payload begins and ends. RFC 6455."""
    if len(heard) < start + 2:
        return None
    opcode, length, first = heard[start] & 15, heard[start + 1] & 127, start + 2
    if length >= 126:
        wide = 2 if length == 126 else 8
        if len(heard) < first + wide:
            return None
        length, first = int.from_bytes(heard[first : first + wide], "big"), first + wide
    return (opcode, first, first + length) if len(heard) >= first + length else None


def _masked(opcode: int, payload: bytes) -> bytes:
    """Write a short frame of a client, masked with zeros."""
    return bytes([128 | opcode, 128 | len(payload), 0, 0, 0, 0]) + payload


class Swarm:
    """The clients, and what they saw since the last report."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._epoch = ""
        self._clients: list[Client] = []
        self._stamps: dict[int, float | None] = {}
        self._delays = array("d")
        self._seen: Counter[str] = Counter()
        self._watching: set[asyncio.Task[None]] = set()

    def hear(self, client: Client, heard: bytes, first: int, end: int, now: float) -> None:
        """Take a text frame: it must be the event behind the last one."""
        if not heard.startswith(_EVENT, first):
            self._talk(client, json.loads(heard[first:end]), now)
            return
        begin = first + len(_EVENT)
        position = int(heard[begin : heard.index(b",", begin)])
        if client.position is None or position > client.position + 1:
            self._seen["missed"] += position - (client.position or 0) - 1
        elif position <= client.position:
            self._seen["doubled"] += 1
            return
        client.position = position
        if position not in self._stamps:
            self._stamps[position] = _stamp(heard, first, end)
        sent = self._stamps[position]
        # What was published before this client was there came late because the client did.
        if sent is not None and sent >= client.since and not client.slow:
            self._delays.append(now - sent)

    def _talk(self, client: Client, said: dict[str, Any], now: float) -> None:
        if said["type"] == "hello":
            self._epoch = said["epoch"]
            if client.position is None:
                client.position = said["position"]
            client.since = now
            if not client.hello.done():
                client.hello.set_result(None)
        else:
            self._seen[said["type"]] += 1

    async def join(self, count: int, together: int = 200) -> dict[str, Any]:
        """Bring more clients in, so many at a time."""
        fresh = [Client(self) for _ in range(count)]
        self._clients += fresh
        room = asyncio.Semaphore(together)

        async def enter(client: Client) -> None:
            async with room:
                await self._enter(client)

        begun = time()
        await asyncio.gather(*map(enter, fresh))
        return {"seconds": time() - begun}

    async def doze(self, count: int) -> dict[str, Any]:
        """Let some clients read nothing any more."""
        dozing = self._clients[:count]
        for client in dozing:
            client.leave()
            client.slow = True
            await self._enter(client)
            if client.transport is not None:
                client.transport.pause_reading()
        return {"dozing": len(dozing)}

    async def wake(self, seconds: float) -> dict[str, Any]:
        """Let them read again, to the end that the server has put to it; tell the codes, and bring them in again."""
        dozing = [client for client in self._clients if client.slow]
        for client in dozing:
            client.leaving = True
            client.read_on()
        await asyncio.wait([client.ended for client in dozing], timeout=seconds)
        codes = Counter(client.end() for client in dozing)
        for client in dozing:
            client.leave()
            client.slow = False
            await self._enter(client)
        return {"codes": codes}

    async def disturb(self, seconds: float, share: float) -> dict[str, Any]:
        """Let random clients vanish and come again, ``share`` of all of them a second."""
        returning: set[asyncio.Task[None]] = set()
        times, step = 0, 0.1
        for _ in range(max(int(seconds / step), 1)):
            here = [client for client in self._clients if not client.leaving]
            for client in random.sample(here, min(max(round(share * step * len(here)), 1), len(here))):
                client.leave()
                times += 1
                returning.add(asyncio.create_task(self._return(client, 0.5)))
            await asyncio.sleep(step)
        await asyncio.gather(*returning)
        return {"disconnects": times}

    async def storm(self, within: float) -> dict[str, Any]:
        """Let all clients vanish at once and come again within so many seconds."""
        begun = time()
        for client in self._clients:
            client.leave()
        await asyncio.gather(*(self._return(client, within) for client in self._clients))
        return {"seconds": time() - begun}

    async def reach(self, position: int, seconds: float) -> dict[str, Any]:
        """Wait until all that read have seen a position; tell how many have not."""
        deadline = time() + seconds
        while late := [each for each in self._clients if not each.slow and (each.position or 0) < position]:
            if time() > deadline:
                break
            await asyncio.sleep(0.02)
        return {"late": len(late)}

    async def report(self) -> dict[str, Any]:
        """Tell what was seen since the last report, delays in milliseconds."""
        delays, self._delays = self._delays, array("d")
        seen, self._seen = self._seen, Counter()
        shares = {"p50": 0.5, "p99": 0.99} if delays else {}
        return {
            "frames": len(delays),
            **{name: round(quantile(delays, share) * 1e3, 1) for name, share in shares.items()},
            **{name: seen[name] for name in ("missed", "doubled", "resync", "turned_away", "cut_off")},
        }

    async def _return(self, client: Client, within: float) -> None:
        await asyncio.sleep(random.uniform(0, within))  # noqa: S311
        await self._enter(client)

    async def _enter(self, client: Client) -> None:
        """Connect until the api lets it in."""
        delay = 0.1
        while True:
            try:
                await client.dial("127.0.0.1", self._port, self._request(client))
                break
            except OSError:
                self._seen["turned_away"] += 1
                await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311
                delay = min(delay * 2, 2.0)
        watch = asyncio.create_task(self._watch(client, client.ended))
        self._watching.add(watch)
        watch.add_done_callback(self._watching.discard)

    async def _watch(self, client: Client, ended: asyncio.Future[None]) -> None:
        """Bring a client that was cut off back in, as a page does."""
        await ended
        if not client.leaving and not client.slow:
            client.leaving = True
            self._seen["cut_off"] += 1
            await self._enter(client)

    def _request(self, client: Client) -> bytes:
        resume = "" if client.position is None else f"?after={client.position}&epoch={self._epoch}"
        lines = (
            f"GET /ws{resume} HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            f"Authorization: Bearer {self._token}",
        )
        return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def _stamp(heard: bytes, first: int, end: int) -> float | None:
    """Read when a message was published out of its event; None where it does not say."""
    place = heard.find(STAMP, first, end)
    if place < 0:
        return None
    begin = place + len(STAMP)
    return float(heard[begin : begin + 17])


async def _serve(lines: asyncio.StreamReader) -> None:
    given = json.loads(await lines.readline())
    swarm = Swarm(given["port"], given["token"])
    known = {each.__name__: each for each in _commands(swarm)}
    while line := await lines.readline():
        command = json.loads(line)
        answer = await known[command.pop("do")](**command)
        print(json.dumps(answer), flush=True)  # noqa: T201


def _commands(swarm: Swarm) -> Sequence[Any]:
    return swarm.join, swarm.doze, swarm.wake, swarm.disturb, swarm.storm, swarm.reach, swarm.report


async def main() -> None:
    """Do what stdin says, to its end."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    await _serve(lines)


if __name__ == "__main__":
    uvloop.run(main())
