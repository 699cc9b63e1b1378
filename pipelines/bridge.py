"""An event loop in a thread of its own, beside Bytewax, whose calls are synchronous."""

from asyncio import AbstractEventLoop, run_coroutine_threadsafe
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")

_CLOSE_SECONDS = 5.0


class Bridge:
    """Hands coroutines to the loop from the thread of the dataflow."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the loop; do not wait."""
        return run_coroutine_threadsafe(work, self.loop)

    def wait(self, work: Coroutine[Any, Any, T], *, seconds: float) -> T:
        """Run a coroutine on the loop and wait for its result; raise TimeoutError after ``seconds``."""
        return self.submit(work).result(seconds)


@contextmanager
def event_loop() -> Iterator[Bridge]:
    """Run an event loop in a thread until the block ends."""
    loop = uvloop.new_event_loop()
    thread = Thread(target=loop.run_forever, name="bridge", daemon=True)
    thread.start()
    try:
        yield Bridge(loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_CLOSE_SECONDS)
        if not thread.is_alive():
            loop.close()
