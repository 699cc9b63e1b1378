"""``status``: lag, rates and health of what runs."""

import json

from rich.console import Console
from rich.table import Column
from rich.text import Text

from deploy.cli import options, read_settings
from deploy.cli.look import Look, look
from deploy.cli.terminal import table, terminal

_DURABLES = {
    "flow-live": "live messages",
    "flow-bulk": "imports",
    "bury": "dead letters",
    "requeue": "dead letters sent round again",
    "advisories": "messages given up by NATS",
    "commands": "commands",
}


def status(data: options.Data = None, as_json: options.Json = False) -> None:
    """Show the health of servers and processes, what waits where, and what to do when something is wrong."""
    seen = look(read_settings(data=data))
    if as_json:
        shown = ("url", "health", "stats", "processes", "rates", "wrong")
        print(json.dumps({name: getattr(seen, name) for name in shown}))
        return
    _show(seen, terminal())


def _show(seen: Look, console: Console) -> None:
    console.print(Text.assemble((seen.url, "bold"), "   ", *_fine(seen)), soft_wrap=True)
    console.print(_waiting(seen), "", sep="\n")
    if seen.stats is not None:
        stored = seen.stats
        console.print(f"{stored['messages']:,} messages, {stored['noise']:,} of them noise; {stored['tasks']:,} tasks")
    sockets = seen.health["sockets"]
    console.print(f"{seen.rates['events']:,} events a second now, {sockets} {'page' if sockets == 1 else 'pages'} open")
    for what in seen.wrong:
        console.print(Text.assemble(("wrong: ", "bold red"), what), soft_wrap=True)


def _fine(seen: Look) -> list[tuple[str, str]]:
    states = {name: seen.health[name]["status"] == "ok" for name in ("database", "nats")}
    parts = {"api": True} | states | seen.processes
    return [(f"{name} {'ok' if well else 'AWAY'}  ", "green" if well else "bold red") for name, well in parts.items()]


def _waiting(seen: Look) -> object:
    shown = table("", *(Column(name, justify="right") for name in ("waiting", "in work")))
    for name, durable in seen.health["durables"].items():
        figures = (durable.get("waiting"), durable.get("held"))
        shown.add_row(_DURABLES.get(name, name), *("?" if each is None else f"{each:,}" for each in figures))
    relay = seen.health["database"].get("relay")
    behind = f"{relay['seconds']:.1f} s behind" if relay and relay["waiting"] else ""
    shown.add_row("events to relay", f"{relay['waiting']:,}" if relay else "?", behind)
    return shown
