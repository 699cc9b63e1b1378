"""A TCP proxy that does to a link what networks do: delays, cuts, half-closes, swallows."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress


class Proxy:
    """Carries bytes between whoever connects to ``port`` and a server, as long as it is let.

    ``to_port`` may change: new connections go to the new one, as a load balancer does it in a rolling restart.
    """

    def __init__(self, to_port: int) -> None:
        self.port = 0
        self.delay_seconds = 0.0
        self.to_port = to_port
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Break all connections off at once."""
        for writer in list(self._writers):
            writer.transport.abort()

    def half_close(self) -> None:
        """Tell both sides of each connection that the other will send no more."""
        for writer in list(self._writers):
            with suppress(OSError, RuntimeError):
                writer.write_eof()

    def swallow(self) -> None:
        """Let nothing through any more, and say nothing of it."""
        self._open.clear()

    def heal(self) -> None:
        """Be a good link again; what was swallowed stays lost, so its connections end."""
        self.delay_seconds = 0.0
        if not self._open.is_set():
            self.cut()
            self._open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._writers |= both
        try:
            await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
        finally:
            self._writers -= both
            for each in both:
                each.transport.abort()
                with suppress(OSError):
                    await each.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while some := await reader.read(65_536):
                await asyncio.sleep(self.delay_seconds)
                if self._open.is_set():
                    writer.write(some)
                    await writer.drain()
            if self._open.is_set():
                writer.write_eof()
        except RuntimeError:  # this half was closed meanwhile
            return
        except OSError:  # whose end was broken off: the other one is told so, else it would wait for a dead process
            if self._open.is_set():
                writer.transport.abort()


@asynccontextmanager
async def proxy(to_port: int) -> AsyncIterator[Proxy]:
    """Run a proxy before a server of this machine."""
    made = Proxy(to_port)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(made.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.cut()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)


BADNESS: dict[str, Callable[[Proxy], None]] = {
    "delay": lambda link: setattr(link, "delay_seconds", 0.2),
    "cut": Proxy.cut,
    "half-close": Proxy.half_close,
    "black-hole": Proxy.swallow,
}
"""What may happen to a link, by name."""
