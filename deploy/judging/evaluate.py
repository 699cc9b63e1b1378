"""Evaluation: what judges and extraction make of labelled messages, against what people said of them."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from connectors.contract import why
from deploy.judging import measure
from deploy.judging.measure import Judged
from pipelines.stages.classify import classify
from pipelines.stages.extract import extract
from pipelines.stages.normalize import normalize
from schemas.messages import MessageLine, Origin
from schemas.tasks import Extracted
from schemas.verdicts import Category, Judge

_CONFUSED_SHOWN = 3


class Labelled(MessageLine):
    """A message in the import format, with what a careful person reads out of it; a label that is absent is not asked.

    ``due`` and ``assignee`` are None where the message names none.
    """

    category: Category
    priority: Literal["low", "medium", "high", "critical"] | None = None
    assignee: str | None = None
    due: date | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A labelled message, and the zone that its time was written in: "tomorrow" is meant there."""

    labelled: Labelled
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class Answered:
    """A labelled message and what was found in it."""

    labelled: Labelled
    found: Extracted

    @property
    def judged(self) -> Judged:
        """The category alone."""
        verdict = self.found.verdict
        return Judged(self.labelled.category, verdict.category, verdict.confidence)


def read(lines: Iterator[bytes]) -> list[Case]:
    """Read labelled messages; raises ValueError naming the line that is none."""
    found = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found.append(Case(Labelled.model_validate_json(line), _zone(line)))
            except ValidationError as error:
                raise ValueError(f"line {number} is no labelled message: {why(error)}") from None
    return found


def read_files(paths: Sequence[Path]) -> list[Case]:
    """Read labelled messages of several files."""
    found = []
    for path in paths:
        with path.open("rb") as file:
            found += read(iter(file))
    return found


def answer(cases: Sequence[Case], judge: Judge) -> list[Answered]:
    """Take messages through the stages, each in its own time zone."""
    now = datetime.now(UTC)
    raws = [
        each.labelled.to_raw(workspace="default", channel="files", origin=Origin.IMPORT, received_at=now)
        for each in cases
    ]
    judged = classify(normalize(raws), judge=judge)
    return [
        Answered(case.labelled, *extract([item], time_zone=_always(case.zone)))
        for case, item in zip(cases, judged, strict=True)
    ]


def report(answered: Sequence[Answered]) -> dict[str, Any]:
    """Give all figures of one judge: for all messages, for each language, and for each source."""
    judged = [each.judged for each in answered]
    return {
        "messages": len(answered),
        "macro_f1": measure.macro_f1(judged),
        "categories": measure.categories(judged),
        **measure.work(judged),
        "calibration": measure.calibration(judged),
        "coverage": measure.coverage(judged),
        "languages": {name: _brief(part) for name, part in _by(answered, _language)},
        "sources": {name: _brief(part) for name, part in _by(answered, lambda each: each.labelled.source)},
        "confusions": [
            {"wanted": wanted, "said": said, "count": count, "examples": _examples(answered, wanted, said)}
            for wanted, said, count in measure.confusions(judged)
        ],
        "fields": fields(answered),
    }


def fields(answered: Sequence[Answered]) -> dict[str, dict[str, float]]:
    """Compare due date, assignee and priority where a task was rightly found; a wrong one is worse than none."""
    tasks = [each for each in answered if each.found.tasks and each.labelled.category is not Category.NOISE]
    pairs: dict[str, list[tuple[Any, Any]]] = {
        "due": [(each.labelled.due, each.found.tasks[0].due) for each in tasks],
        "assignee": [(each.labelled.assignee, each.found.tasks[0].assignee) for each in tasks],
        "priority": [(each.labelled.priority, each.found.tasks[0].priority) for each in tasks],
    }
    return {
        name: _field([(wanted, found.value if found else None) for wanted, found in each])
        for name, each in pairs.items()
    }


def _field(pairs: Sequence[tuple[Any, Any]]) -> dict[str, float]:
    said = [(wanted, found) for wanted, found in pairs if found is not None]
    given = [(wanted, found) for wanted, found in pairs if wanted is not None]
    right = sum(wanted == found for wanted, found in said)
    return {
        "precision": round(right / len(said), 4) if said else 1.0,
        "recall": round(right / len(given), 4) if given else 1.0,
        "said": len(said),
        "given": len(given),
    }


def _brief(answered: Sequence[Answered]) -> dict[str, Any]:
    judged = [each.judged for each in answered]
    brief = {"messages": len(judged), "macro_f1": measure.macro_f1(judged), "ece": measure.calibration(judged)["ece"]}
    return brief | {name: share["value"] for name, share in measure.work(judged).items()}


def _by(answered: Sequence[Answered], key: Callable[[Answered], str]) -> Iterator[tuple[str, list[Answered]]]:
    for name in sorted({key(each) for each in answered}):
        yield name, [each for each in answered if key(each) == name]


def _language(each: Answered) -> str:
    """Take the file's own word for it, where ids begin with one: what was found may be wrong."""
    begin = each.labelled.external_id[:3]
    return begin[:2] if begin[2:] == "-" else each.found.message.language or "none"


def _examples(answered: Sequence[Answered], wanted: str, said: str) -> list[str]:
    texts = [each.labelled.text for each in answered if (each.judged.wanted, each.judged.said) == (wanted, said)]
    return [" ".join(text.split())[:120] for text in texts[:_CONFUSED_SHOWN]]


def _zone(line: bytes) -> tzinfo:
    sent_at = json.loads(line).get("sent_at")
    return (datetime.fromisoformat(sent_at).tzinfo if sent_at else None) or UTC


def _always(zone: tzinfo) -> Callable[[str], tzinfo]:
    return lambda _: zone
