"""``status``: lag, rates and health of what runs."""

import json

from rich.console import Console
from rich.table import Table

from deploy.cli import options, read_settings
from deploy.cli.reach import ask


def status(data: options.Data = None, as_json: options.Json = False) -> None:
    """Show the health of the servers, what waits at each durable, and how far the relay is behind."""
    settings = read_settings(data=data)
    health = ask(settings, "/api/health")
    stats = ask(settings, "/api/stats")
    if as_json:
        print(json.dumps({"health": health, "stats": stats}))
        return
    table = Table("what", "value", show_header=False)
    for name, value in _flat(health):
        table.add_row(name, str(value))
    for name in ("messages", "tasks", "noise"):
        table.add_row(name, f"{stats[name]:,}")
    Console().print(table)


def _flat(value: dict[str, object], prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for name, inner in value.items():
        if isinstance(inner, dict):
            rows += _flat(inner, f"{prefix}{name} ")
        else:
            rows.append((f"{prefix}{name}", inner))
    return rows
