"""How the report of ``bench peers`` is shown at a terminal."""

from collections.abc import Iterator
from typing import Any

from rich.table import Column, Table

from deploy.bench.peers.parties import OURS
from deploy.bench.table import head
from deploy.cli.terminal import table

_NUMBERS = ("at work", "messages/s", "lowest", "highest", "ours is", "workers", "nats", "redis", "postgres", "all")


def peers_tables(report: dict[str, Any]) -> Iterator[str | Table]:
    """Show what ``bench peers`` found."""
    yield head(report["machine"])
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    load = report["load"]
    yield f"{versions}; load {load['lowest']} to {load['highest']} meanwhile"
    yield (
        f"{report['messages']:,} messages with {report['tasks']:,} tasks; medians of {report['rounds']} rounds; "
        "from workers to all: us of processor a message\n"
    )
    shown = table("", *(Column(name, justify="right") for name in _NUMBERS))
    for each in report["parties"]:
        rates = (f"{each[name]:,.0f}" for name in ("per_second", "lowest", "highest"))
        times = f"{each['ours_is_times']:.1f} x" if each["ours_is_times"] and each["name"] != OURS else ""
        used = (f"{value:,.0f}" if (value := each["cpu_us"].get(name)) else "" for name in _NUMBERS[5:])
        shown.add_row(each["title"], str(each["processes"]), *rates, times, *used)
    yield shown
    for name, why in report["left_out"].items():
        yield f"left out: {name}: {why}"
    for title, times in report["repeated"].items():
        yield f"repeated, since messages were handed out again: {title}, {times} x"
