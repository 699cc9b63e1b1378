"""``classify``: what the judge makes of a text, with no server at all."""

import json
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from connectors.contract import why
from deploy.cli import Told, options
from deploy.cli.terminal import harmless, terminal
from pipelines.judges import rules
from pipelines.stages.classify import classify as classify_stage
from pipelines.stages.extract import extract
from pipelines.stages.normalize import normalize
from schemas.errors import Rejected
from schemas.messages import MessageLine, Origin
from schemas.tasks import Extracted

_BATCH = 500


def classify(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="The text to judge; - reads it (with --json: JSON Lines) from stdin.")
    ],
    as_json: options.Json = False,
) -> None:
    """Judge a text: category, confidence, priority, assignee, due date and title, with the words that decided."""
    if text == "-" and as_json:
        for answer in _judge_lines(sys.stdin.buffer):
            print(json.dumps(answer, ensure_ascii=False))
        return
    body = sys.stdin.buffer.read().decode(errors="replace") if text == "-" else text
    try:
        line = MessageLine(source="terminal", external_id="1", text=body)
    except ValidationError as error:
        raise Told(why(error)) from None
    [found] = _judge([line])
    if as_json:
        print(json.dumps(_answer(found), ensure_ascii=False))
        return
    _show(terminal(), found)


def _judge_lines(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Judge JSON Lines; raises Told at the first that is no message, once those before it are answered."""
    batch: list[MessageLine] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            batch.append(MessageLine.model_validate_json(line))
        except ValidationError as error:
            yield from map(_answer, _judge(batch))
            raise Told(f"line {number} is no message in the import format: {why(error)}") from None
        if len(batch) == _BATCH:
            yield from map(_answer, _judge(batch))
            batch = []
    yield from map(_answer, _judge(batch))


def _judge(batch: list[MessageLine]) -> list[Extracted]:
    now = datetime.now(UTC)
    raws = [line.to_raw(workspace="default", channel="files", origin=Origin.IMPORT, received_at=now) for line in batch]
    try:
        judged = classify_stage(normalize(raws), judge=rules.judge)
        return extract(judged, time_zone=lambda _: UTC)
    except Rejected as error:
        raise Told(error.reason) from error


def _answer(found: Extracted) -> dict[str, Any]:
    task = found.tasks[0] if found.tasks else None
    return {
        "external_id": found.message.raw.external_id,
        "category": found.verdict.category,
        "confidence": round(found.verdict.confidence, 4),
        "priority": task.priority.value if task else None,
        "assignee": task.assignee.value if task and task.assignee else None,
        "due": task.due.value.isoformat() if task and task.due else None,
        "title": task.title.value if task else None,
        "spans": found.verdict.spans,
    }


def _show(console: Console, found: Extracted) -> None:
    text = Text(harmless(found.message.text))
    for start, end in found.verdict.spans:
        text.stylize("bold reverse", start, end)
    console.print(text)
    said = found.verdict
    console.print(Text.assemble((str(said.category), "bold"), f" ({said.confidence:.0%}, {said.judge}): {said.reason}"))
    for task in found.tasks:
        due = f", due {task.due.value}" if task.due else ""
        assignee = f", for {task.assignee.value}" if task.assignee else ""
        facts = f" ({task.priority.value}{due}{assignee})"
        console.print(Text.assemble("task: ", harmless(task.title.value), (harmless(facts), "dim")))
