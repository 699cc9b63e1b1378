"""Keeps the services of the stack running: started in order, restarted when they end, stopped in reverse order."""

import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio
from anyio import to_thread
from anyio.abc import Process

from deploy.local.journal import Journal, Lines
from deploy.local.process import Service, StackError

OnReady = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How failures and stops are timed; all in seconds but ``failures``.

    A service that ends more than ``failures`` times, each time before it was up for ``steady``, ends the stack.
    """

    first_delay: float = 0.2
    longest_delay: float = 10.0
    steady: float = 30.0
    failures: int = 5
    stop: float = 9.0


class Supervisor:
    """The services of one stack. To be run in the main thread, as the death signal is bound to the starting thread."""

    def __init__(self, services: Sequence[Service], journal: Journal, *, patience: Patience | None = None) -> None:
        self._services = {service.name: service for service in services}
        self._journal = journal
        self._patience = patience or Patience()
        self._processes: dict[str, Process] = {}
        self._up = {name: anyio.Event() for name in self._services}
        self._ended = {name: anyio.Event() for name in self._services}
        self._stop_asked = anyio.Event()
        self._finished = anyio.Event()
        self._failure: Exception | None = None
        self.restarts = dict.fromkeys(self._services, 0)

    async def run(self, on_ready: OnReady | None = None) -> None:
        """Run until ``stop`` is called, SIGINT, SIGTERM or SIGHUP comes, or a service cannot be kept running.

        ``on_ready`` is called once, when every service serves; what it raises stops the stack and is raised here, as
        is the StackError of the service that failed. Everything is stopped when this returns, however it returns.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._serve, on_ready)
            try:
                await self._finished.wait()
            finally:
                self.stop()
        if self._failure:
            raise self._failure

    def stop(self) -> None:
        """Ask for an orderly stop; ``run`` returns when it is done."""
        self._stop_asked.set()
        # Whoever waits for a service to come up wakes, and sees that there is nothing to do any more.
        for up in self._up.values():
            up.set()

    def pid(self, name: str) -> int | None:
        """Tell the process id of a service; None while it does not run."""
        process = self._processes.get(name)
        return process.pid if process and process.returncode is None else None

    async def _serve(self, on_ready: OnReady | None) -> None:
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen)
                for service in self._services.values():
                    tasks.start_soon(self._keep, service)
                tasks.start_soon(self._announce, on_ready)
                await self._stop_asked.wait()
                await self._stop_all()
                tasks.cancel_scope.cancel()
        self._finished.set()

    async def _listen(self) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as numbers:
            async for number in numbers:
                self._say("stack", f"{signal.Signals(number).name}: stopping")
                self.stop()

    async def _announce(self, on_ready: OnReady | None) -> None:
        for up in self._up.values():
            await up.wait()
        if on_ready and not self._stop_asked.is_set():
            try:
                await on_ready()
            except Exception as error:  # told by run
                self._fail(error)

    async def _keep(self, service: Service) -> None:
        try:
            for need in service.needs:
                await self._up[need].wait()
            failures, delay = 0, self._patience.first_delay
            while not self._stop_asked.is_set():
                began = time.monotonic()
                ending = await self._run_once(service)
                if self._stop_asked.is_set():
                    return
                if time.monotonic() - began > self._patience.steady:
                    failures, delay = 0, self._patience.first_delay
                failures += 1
                if failures > self._patience.failures:
                    raise StackError(self._obituary(service, ending, failures))
                self.restarts[service.name] += 1
                self._say(service.name, f"** {ending}; it is started again in {delay:.1f} s")
                with anyio.move_on_after(delay * random.uniform(0.8, 1.2)):  # noqa: S311
                    await self._stop_asked.wait()
                delay = min(delay * 2, self._patience.longest_delay)
        except Exception as error:  # told by run
            self._fail(error)
        finally:
            self._ended[service.name].set()

    async def _run_once(self, service: Service) -> str:
        """Run the service to its end; say how it ended."""
        if service.prepare:
            await to_thread.run_sync(service.prepare)
        if self._stop_asked.is_set():
            return "not started"
        # Our own pipe: with one of asyncio's, some versions let wait() hang while a grandchild keeps it open.
        reader, writer = os.pipe()
        try:
            command, keywords = service.popen_arguments()
            process = await anyio.open_process(command, stdout=writer, **keywords)
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self._processes[service.name] = process
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._probe, service, process)
                async with anyio.create_task_group() as pumping:
                    pumping.start_soon(self._pump, service.name, reader)
                    await process.wait()
                    pumping.cancel_scope.deadline = anyio.current_time() + 0.5
                tasks.cancel_scope.cancel()
        finally:
            os.close(reader)
        return _ending(process)

    async def _probe(self, service: Service, process: Process) -> None:
        began = time.monotonic()
        with anyio.move_on_after(service.ready_seconds) as waiting:
            try:
                while service.ready and not await to_thread.run_sync(service.ready, process.pid):  # noqa: ASYNC110
                    await anyio.sleep(0.05)  # another program's state: there is nothing to be woken by
            except Exception as error:  # told by run
                self._fail(error)
                return
        if waiting.cancelled_caught:
            self._say(service.name, f"** it does not serve after {service.ready_seconds:.0f} s: ended")
            _signal(process, signal.SIGKILL)
            return
        self._say(service.name, f"** serves after {time.monotonic() - began:.1f} s")
        self._up[service.name].set()

    async def _pump(self, name: str, reader: int) -> None:
        lines, chunk = Lines(), b"?"
        while chunk:
            await anyio.wait_readable(reader)
            chunk = os.read(reader, 65_536)
            self._journal.write(name, lines.feed(chunk))

    async def _stop_all(self) -> None:
        with anyio.move_on_after(self._patience.stop):
            async with anyio.create_task_group() as tasks:
                for service in self._services.values():
                    tasks.start_soon(self._stop_one, service)
        for name, process in self._processes.items():
            if not self._ended[name].is_set():
                _signal(process, signal.SIGKILL)
        for ended in self._ended.values():
            await ended.wait()

    async def _stop_one(self, service: Service) -> None:
        """Stop a service once nothing that needs it runs any more."""
        for other in self._services.values():
            if service.name in other.needs:
                await self._ended[other.name].wait()
        ended, wait = self._ended[service.name], service.grace_seconds
        for number in (*service.stop_signals, signal.SIGKILL):
            sent_to = None
            with anyio.move_on_after(wait):
                while not ended.is_set():
                    # A start that was under way when the stop was asked for may bring a process in the meantime.
                    process = self._processes.get(service.name)
                    if process is not None and process is not sent_to:
                        _signal(process, number)
                        sent_to = process
                    with anyio.move_on_after(0.1):
                        await ended.wait()
            if ended.is_set():
                return
            wait = 1.0

    def _fail(self, error: Exception) -> None:
        """Stop because of an error; what fails while all is being stopped fails because of that, and is no news."""
        if not self._stop_asked.is_set():
            self._failure = error
        self.stop()

    def _say(self, name: str, line: str) -> None:
        self._journal.write(name, [line])

    def _obituary(self, service: Service, ending: str, times: int) -> str:
        return (
            f"{service.name} ended {times} times in a row, at last so: {ending}. Its last lines "
            f"(more in {self._journal.directory / service.name}.log):\n{self._journal.latest(service.name)}"
        )


def _ending(process: Process) -> str:
    code = process.returncode
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"ended by {signal.Signals(-code).name}"
    return f"ended by signal {-code}"


def _signal(process: Process, number: signal.Signals) -> None:
    """Signal the service; a SIGKILL goes to all that it started, too."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        if number is signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
