"""``demo``: the whole stack, and two days of a small team in half a minute."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.text import Text
from websockets.asyncio.client import ClientConnection, connect

from connectors.publish import Publisher
from deploy import links
from deploy.cli import Told, options, read_settings
from deploy.cli.terminal import harmless, quote, terminal
from deploy.cli.up import run_stack
from deploy.demo.conversation import messages
from deploy.local.stack import Stack
from pipelines.store import sources
from schemas.events import EventType
from schemas.messages import RawMessage
from schemas.subjects import Durable

PLAY_SECONDS = 30.0
_SETTLE_SECONDS = 60.0

_COLOURS = {"bug": "red", "feature": "magenta", "improvement": "blue", "question": "cyan", "chore": "green"}


def demo(
    data: options.Data = None,
    port: options.Port = None,
    end: Annotated[bool, typer.Option("--exit", help="Play at full speed, print a summary, and end.")] = False,
) -> None:
    """Run everything, play two days of a small team, print each task with its evidence, and stay up."""
    settings = read_settings(data=data, port=port)
    console = terminal()
    begun = monotonic()
    played = False

    async def ready(stack: Stack) -> None:
        nonlocal played
        where = stack.url if end else stack.signed_in_url
        console.print(f"everything runs after {monotonic() - begun:.1f} s: {where}\n", style="bold", soft_wrap=True)
        await _Play(stack, console, paced=not end).run()
        played = True
        if end:
            stack.supervisor.stop()
        else:
            _three_things(console, stack)

    if not console.is_terminal:
        console.print("starting PostgreSQL, NATS and the pipeline ...")
    run_stack(settings, ready)
    if end and not played:
        raise Told("stopped before the end of the conversation")


def _three_things(console: Console, stack: Stack) -> None:
    console.print("\n[bold]three things to try[/]")
    console.print(f"  1. the page, live:   {stack.signed_in_url}", soft_wrap=True)
    console.print('  2. say something:    ./run classify "Anna, can you renew the certificate by Friday?"')
    console.print("  3. your own chats:   ./run import messages.jsonl")
    console.print("\nCtrl-C stops everything; what was stored is there again at the next start.", style="dim")


@dataclass
class _Play:
    """Plays the conversation into a running stack and shows what comes out of it."""

    stack: Stack
    console: Console
    paced: bool
    seen: set[str] = field(default_factory=set)
    position: int = 0
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Publish the conversation, print every task as it is made, and sum up."""
        conversation = messages()
        await self._register(conversation)
        begun = monotonic()
        async with self._listening() as socket, asyncio.TaskGroup() as group:
            printing = group.create_task(self._print(socket))
            await self._publish(conversation)
            await self._settled()
            await self._caught_up(await self._newest())
            printing.cancel()
        await self._sum_up(conversation, monotonic() - begun)

    async def _register(self, conversation: Sequence[RawMessage]) -> None:
        async with links.pool(self.stack.settings, "write", size=1) as pool, pool.connection() as conn:
            for source, channel in sorted({(raw.source, raw.channel) for raw in conversation}):
                async with conn.transaction():
                    await sources.ensure(conn, "default", source, channel)

    async def _publish(self, conversation: Sequence[RawMessage]) -> None:
        pause = PLAY_SECONDS / len(conversation) if self.paced else 0
        async with (
            links.nats_client(self.stack.settings, "operator", closed=lambda: None) as nc,
            Publisher(nc) as publisher,
        ):
            if not self.paced:
                await publisher.publish(conversation)
                return
            for raw in conversation:
                await publisher.publish([raw])
                await asyncio.sleep(pause)  # the pace of the play: nothing is waited for

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[ClientConnection]:
        url = self.stack.url.replace("http", "ws", 1) + "/ws"
        headers = {"Authorization": f"Bearer {self.stack.settings.access_token()}"}
        async with connect(url, additional_headers=headers, open_timeout=10) as socket:
            self.position = json.loads(await asyncio.wait_for(socket.recv(), 10))["position"]
            yield socket

    async def _print(self, socket: ClientConnection) -> None:
        async for frame in socket:
            said = json.loads(frame)
            if said["type"] == "event" and said["event"]["type"] == EventType.TASK_CREATED:
                self._print_task(said["event"]["data"])
            self.position = said.get("position", self.position)
            self.moved.set()

    def _print_task(self, data: dict[str, Any]) -> None:
        task, [evidence, *_] = data["task"], data["evidence"]
        if task["id"] in self.seen:
            return
        self.seen.add(task["id"])
        head = Text(task["title"], "bold")
        facts = [task["priority"]] if task["priority"] != "medium" else []
        facts += [f"for {task['assignee']}"] if task["assignee"] else []
        facts += [f"due {task['due']}"] if task["due"] else []
        head.append(f"  {', '.join(facts)}" if facts else "", "not bold yellow")
        begin = Text.assemble(f"#{task['number']:<4}", (f"{task['category']:<13}", _COLOURS.get(task["category"], "")))
        for line in head.wrap(self.console, self.console.width - len(begin)):
            line.rstrip()
            self.console.print(begin + line, soft_wrap=True)
            begin = Text(" " * len(begin))
        self.console.print(begin + self._quoted(evidence, self.console.width - len(begin)), soft_wrap=True)

    def _quoted(self, evidence: dict[str, Any], width: int) -> Text:
        author = harmless(evidence["author_name"] or evidence["author"] or "somebody")
        said = Text(f"{author} in {evidence['channel']}: ", "dim")
        colour = self.console.is_terminal
        return said.append_text(quote(evidence["text"], evidence["spans"], width - len(said), colour=colour))

    async def _settled(self) -> None:
        """Wait until nothing is left at the flow and at the relay."""
        deadline = monotonic() + _SETTLE_SECONDS
        while monotonic() < deadline:
            health = await self._ask("/api/health")
            flow = health["durables"][Durable.LIVE]
            relay = health["database"].get("relay", {"waiting": 1})
            if not (flow.get("waiting", 1) or flow.get("held", 1) or relay["waiting"]):
                return
            await asyncio.sleep(0.1)
        raise Told(f"not read within {_SETTLE_SECONDS:.0f} s: see `./run status` and {self.stack.settings.data}/logs")

    async def _newest(self) -> int:
        return int((await self._ask("/api/events?limit=1"))["position"])

    async def _caught_up(self, position: int) -> None:
        """Wait until the socket has brought everything up to a position."""
        async with asyncio.timeout(_SETTLE_SECONDS):
            while self.position < position:
                self.moved.clear()
                await self.moved.wait()

    async def _sum_up(self, conversation: Sequence[RawMessage], seconds: float) -> None:
        stats = await self._ask("/api/stats")
        kinds = ", ".join(f"{count} {name}" for name, count in stats["by_category"].items())
        if not self.seen:
            self.console.print("this conversation was played here before: nothing was added", style="yellow")
        self.console.print(
            f"\n{len(conversation)} messages and edits played in {seconds:.1f} s; stored: {stats['messages']} messages "
            f"({kinds}), {stats['tasks']} tasks",
            style="bold",
            soft_wrap=not self.console.is_terminal,
        )
        if stats["messages"] == 0 or stats["tasks"] == 0:
            raise Told("the demo made no tasks: see the logs folder, and `./run doctor`")

    async def _ask(self, path: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.stack.settings.access_token()}"}
        async with httpx.AsyncClient(base_url=self.stack.url, headers=headers, timeout=10) as client:
            answer = await client.get(path)
            answer.raise_for_status()
            found: dict[str, Any] = answer.json()
            return found
