"""``evaluate``: how often the judges and the extraction are right, on messages that people have labelled."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column

from deploy.cli import Told, options
from deploy.cli.terminal import harmless, table, terminal
from deploy.judging.evaluate import answer, read, read_files, report
from pipelines.judges import linear, rules

GOLDEN = Path(__file__).parents[2] / "tests/golden"
JUDGES = {"rules": rules.judge, "linear": linear.judge}

_CONFUSIONS = 6


def evaluate(
    file: Annotated[
        str,
        typer.Argument(
            metavar="[FILE]",
            help="JSON Lines in the import format with the labels; - is stdin. [default: the golden set]",
        ),
    ] = "",
    judge: Annotated[str, typer.Option(help="Names of judges, separated by commas: rules, linear.")] = "rules,linear",
    as_json: options.Json = False,
) -> None:
    """Compare judges and extraction with labels: category, priority, assignee, due."""
    names = [name.strip() for name in judge.split(",") if name.strip()]
    if unknown := [name for name in names if name not in JUDGES]:
        raise Told(f"--judge {unknown[0]}: there are {', '.join(JUDGES)}")
    cases = _cases(file)
    reports = {name: report(answer(cases, JUDGES[name])) for name in names}
    if as_json:
        print(json.dumps(reports, ensure_ascii=False))
        return
    for name, found in reports.items():
        _show(terminal(), name, found)


def _cases(file: str) -> Any:
    try:
        if file == "-":
            return read(iter(sys.stdin.buffer))
        paths = [Path(file)] if file else sorted(GOLDEN.glob("*.jsonl"))
        if not paths:
            raise Told("the golden set is not here (it is part of a checkout, not of the package): give a file")
        return read_files(paths)
    except ValueError as error:
        raise Told(str(error)) from None


def _show(console: Console, name: str, found: dict[str, Any]) -> None:
    console.print(f"\n[bold]{name}[/]: {found['messages']} messages, macro-F1 {found['macro_f1']:.3f}")
    work, noise = found["recall_of_work"], found["noise_caught"]
    console.print(f"{_share(work)} of the work is found, {_share(noise)} of the noise is caught", highlight=False)
    rows = table("category", *(Column(head, justify="right") for head in ("precision", "recall", "F1", "messages")))
    for category, each in found["categories"].items():
        rows.add_row(
            category, _share(each["precision"]), _share(each["recall"]), f"{each['f1']:.3f}", str(each["count"])
        )
    console.print(rows)
    rows = table(
        "", *(Column(head, justify="right") for head in ("messages", "macro-F1", "work found", "noise caught"))
    )
    for place, each in found["languages"].items():
        rows.add_row(
            place,
            str(each["messages"]),
            f"{each['macro_f1']:.3f}",
            f"{each['recall_of_work']:.0%}",
            f"{each['noise_caught']:.0%}",
        )
    console.print(rows)
    console.print(f"calibration: off by {found['calibration']['ece']:.3f} on average (ECE, ten bins)")
    fields = (
        f"{field} {each['precision']:.0%} right, {each['recall']:.0%} found" for field, each in found["fields"].items()
    )
    console.print(f"fields: {'; '.join(fields)}", highlight=False)
    for each in found["confusions"][:_CONFUSIONS]:
        example = harmless(each["examples"][0])
        console.print(f"{each['count']:>4} x {each['wanted']} taken for {each['said']}: {example}", markup=False)


def _share(share: dict[str, float]) -> str:
    return f"{share['value']:.0%} ({share['low']:.0%} to {share['high']:.0%})"
