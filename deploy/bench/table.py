"""How the reports of the benchmarks are shown at a terminal."""

from collections.abc import Iterator
from typing import Any

from rich.table import Column, Table

from deploy.cli.terminal import table

_LIMITS = {
    "publish_one_by_one": "publish, one by one, 256 in flight",
    "publish_batches": "publish, in atomic batches",
    "pull": "pull and acknowledge",
    "copy_staged": "COPY of messages and tasks, may repeat",
    "copy_all": "COPY of all rows that the flow writes",
}
_PARTS = ("frame", "acknowledged", "acknowledged_to_event", "event_to_frame")


def road_tables(report: dict[str, Any]) -> Iterator[str | Table]:
    """Show what ``bench road`` found."""
    yield head(report["machine"])
    yield f"{report['messages']:,} messages with {report['tasks']:,} tasks; medians of {report['rounds']} rounds\n"
    yield from _flow(report)
    if report["latency"]:
        yield "\nfrom publishing to the frame of a page, milliseconds (p50 / p99)"
        yield _latency(report)
    if report["import"]:
        done = report["import"]
        took = f"{done['seconds']:.1f} s, {done['imported_per_second']:,.0f}/s"
        yield f"\nimport: {done['imported']:,} messages in {took}, its start and the relay included"
    if report["rows"]:
        yield "\na message beside rows that are there already"
        yield _rows(report["rows"])
    if report["idle"]:
        rest = report["idle"]
        yield (
            f"\nidle: {rest['cpu_percent']} % of a core, {rest['pss_mib']:.0f} MiB in {rest['processes']} processes, "
            f"over {rest['seconds']:.0f} s"
        )


def live_tables(report: dict[str, Any]) -> Iterator[str | Table]:
    """Show what ``bench live`` found."""
    yield head(report["machine"])
    memory = report["memory"]
    yield (
        f"{report['clients']:,} clients, {report['per_second']:g} messages a second; all in after "
        f"{report['connect_seconds']:.1f} s\n{memory['kib_a_client']:.1f} KiB a client in the api "
        f"({memory['before_mib']:.0f} -> {memory['connected_mib']:.0f} MiB; {memory['after_mib']:.0f} MiB after all)\n"
    )
    shown = table("", *_right("frames", "p50 ms", "p99 ms", "missed", "doubled", "turned away", "api, % of a core"), "")
    for name, phase in report["phases"].items():
        times = (f"{phase[each]:,.1f}" for each in ("p50", "p99"))
        counts = (f"{phase[each]:,}" for each in ("missed", "doubled", "turned_away"))
        shown.add_row(name, f"{phase['frames']:,}", *times, *counts, f"{phase['api_cpu_percent']:.0f}", phase["said"])
    yield shown


def faults_tables(report: dict[str, Any]) -> Iterator[str | Table]:
    """Show what ``bench faults`` found."""
    yield head(report["machine"])
    yield f"seed {report['seed']}: {len(report['order'])} faults in {report['seconds']} s\n"
    shown = table("fault", *_right("times"), "fault", *_right("times"), "fault", *_right("times"))
    cells = [cell for name, times in report["faults"].items() for cell in (name, str(times))]
    for start in range(0, len(cells), 6):
        shown.add_row(*cells[start : start + 6])
    yield shown
    yield (
        f"\nacknowledged {report['acknowledged']:,}, refused for a while {report['refused']:,}, events "
        f"{report['events']:,}; lost {report['lost']}, doubled {report['doubled']}, invented {report['invented']}, out "
        f"of order {report['misplaced']}"
    )
    if report["recovery"]["after"]:
        yield f"longest recovery {report['recovery']['longest']} s, after {report['recovery']['after']}"
    if report["ended"]:
        yield "ended by themselves: " + ", ".join(f"{name} {times}" for name, times in report["ended"].items())
    yield from (f"WRONG: {said}" for said in report["wrong"])
    yield f"servers' files and logs are in {report['kept']}" if report["kept"] else "nothing is wrong"


def head(machine: dict[str, Any]) -> str:
    """Name the machine in a line."""
    said = (f"{name} {machine[name]}" for name in ("python", "postgresql", "nats-server", "bytewax"))
    return f"{machine['cores']} cores ({machine['processor']}), load {machine['load']} before; {', '.join(said)}"


def _right(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, justify="right") for name in names)


def _flow(report: dict[str, Any]) -> Iterator[Table]:
    parties = ("flow", "relay", "bench", "nats", "postgres", "all")
    shown = table("us of processor a message:", *_right("messages/s", *parties, "of COPY", "of COPY all", "of cores"))
    for name, each in report["flow"].items():
        ratios = (f"{each[ratio]:.2f}" for ratio in ("of_copy", "of_copy_all", "of_processor"))
        shown.add_row(name, f"{each['per_second']:,.0f}", *_costs(each, parties), *ratios)
    for name, each in report["limits"].items():
        shown.add_row(_LIMITS[name], f"{each['per_second']:,.0f}", *_costs(each, parties), "", "", "", style="dim")
    yield shown


def _costs(each: dict[str, Any], parties: tuple[str, ...]) -> list[str]:
    return [f"{used:,.0f}" if (used := each["cpu_us"].get(party)) else "" for party in parties]


def _latency(report: dict[str, Any]) -> Table:
    shown = table("", *_right("messages", "to the frame", "acknowledged", "then stored", "then shown"))
    rows = {f"{each['per_second']:g} a second": each for each in report["latency"]}
    if report["import"]:
        fresh = report["import"]["fresh"]
        rows[f"{fresh['per_second']:g} a second, during an import"] = fresh
    for name, each in rows.items():
        parts = (f"{each[part]['p50']:,.1f} / {each[part]['p99']:,.1f}" for part in _PARTS)
        shown.add_row(name, f"{each['messages']:,}", *parts)
    return shown


def _rows(rows: list[dict[str, Any]]) -> Table:
    parties = ("flow", "nats", "postgres", "all")
    shown = table("rows", *_right("messages/s", *parties, "cost"))
    for each in rows:
        ratio = f"{each['cost_ratio']:.2f}"
        shown.add_row(f"{each['rows']:,}", f"{each['per_second']:,.0f}", *_costs(each, parties), ratio)
    return shown
