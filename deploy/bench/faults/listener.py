"""A WebSocket client that resumes where it was cut off, and keeps what it saw in order."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from deploy.bench.counts import Miscounted
from deploy.bench.faults.house import House
from deploy.bench.servers import until

_AGAIN_SECONDS = 0.1
_PING_SECONDS = 5.0
"""How soon a silent link is noticed."""

_CAUGHT_UP_SECONDS = 60.0


class Listener:
    """Hears events from the very first one on; ``positions`` and ``events`` are what came since ``forget``."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._epoch = ""
        self._listening: asyncio.Task[None] | None = None
        self.position = 0
        self.positions: list[int] = []
        self.events: list[str] = []

    @classmethod
    @asynccontextmanager
    async def listening(cls, house: House) -> AsyncIterator[Self]:
        """Listen while the block lasts."""
        made = cls(house)
        made._listening = asyncio.create_task(made._listen())
        try:
            yield made
        finally:
            made._listening.cancel()

    async def caught_up(self, position: int) -> None:
        """Wait until a position has come; raises Miscounted when it does not, or when it was told nonsense."""

        async def there() -> bool:
            if self._listening is not None and self._listening.done():
                self._listening.result()
            return self.position >= position

        await until(there, seconds=_CAUGHT_UP_SECONDS, what=f"position {position} at a WebSocket")

    def forget(self) -> None:
        """Begin to keep anew; where it is stays known."""
        self.positions, self.events = [], []

    async def _listen(self) -> None:
        base = self._house.url.replace("http", "ws", 1)
        while True:
            epoch = f"&epoch={self._epoch}" if self._epoch else ""
            url = f"{base}/ws?after={self.position}{epoch}"
            with suppress(OSError, WebSocketException, TimeoutError):
                async with connect(
                    url,
                    additional_headers=self._house.headers,
                    open_timeout=5,
                    close_timeout=1,
                    ping_interval=_PING_SECONDS,
                    ping_timeout=_PING_SECONDS,
                ) as socket:
                    async for frame in socket:
                        self._take(json.loads(frame))
            await asyncio.sleep(_AGAIN_SECONDS)

    def _take(self, said: dict[str, Any]) -> None:
        if said["type"] == "hello":
            self._epoch = said["epoch"]
        elif said["type"] == "event":
            self.position = said["position"]
            self.positions.append(said["position"])
            self.events.append(said["event"]["id"])
        else:
            raise Miscounted(f"a WebSocket that resumes was told {said}")
