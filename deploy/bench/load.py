"""The messages of a benchmark: a file's, or the demo's conversation, repeated under new ids."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from deploy.bench.counts import Miscounted
from pipelines.judges import rules
from pipelines.stages.classify import classify
from pipelines.stages.extract import extract
from pipelines.stages.normalize import normalize
from schemas.messages import Kind, MessageLine, Origin, RawMessage

CHANNEL = "files"
WORKSPACE = "default"
_OF_THE_DEMO = {"channel", "author_name"}
"""What the demo's lines say beyond the import format."""


@dataclass(frozen=True, slots=True)
class Load:
    """New messages (edits and deletions are left out) and, for each, the number of tasks that the stages find in it."""

    lines: tuple[MessageLine, ...]
    tasks: tuple[int, ...]

    @property
    def sources(self) -> list[str]:
        """The sources that the messages belong to."""
        return sorted({line.source for line in self.lines})

    def repeated(self, count: int, *, tag: str) -> Iterator[MessageLine]:
        """Yield ``count`` messages; no two share an id, nor do those of two tags."""
        for number in range(count):
            again, place = divmod(number, len(self.lines))
            line, end = self.lines[place], f"~{tag}-{again}"
            reply_to = line.reply_to and f"{line.reply_to}{end}"
            yield line.model_copy(update={"external_id": f"{line.external_id}{end}", "reply_to": reply_to})

    def raw(self, count: int, *, tag: str) -> list[RawMessage]:
        """Give them as the import publishes them."""
        now = datetime.now(UTC)
        return [
            line.to_raw(workspace=WORKSPACE, channel=CHANNEL, origin=Origin.IMPORT, received_at=now)
            for line in self.repeated(count, tag=tag)
        ]

    def write(self, path: Path, count: int, *, tag: str) -> None:
        """Write them as a file for the import."""
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{line.model_dump_json(exclude_none=True)}\n" for line in self.repeated(count, tag=tag))

    def tasks_in(self, count: int) -> int:
        """Tell how many tasks the stages find in so many messages."""
        again, rest = divmod(count, len(self.lines))
        return again * sum(self.tasks) + sum(self.tasks[:rest])


def read(path: Path | None) -> Load:
    """Read JSON Lines in the import format; None: the demo's conversation. Raises Miscounted for a file of no use."""
    if path is None:
        text = files("deploy.demo").joinpath("conversation.jsonl").read_text(encoding="utf-8")
    else:
        text = path.read_text(encoding="utf-8")
    lines = [_line(line, f"{path}, line {number}") for number, line in enumerate(text.splitlines(), start=1) if line]
    new = [line for line in lines if line.kind is Kind.NEW]
    if not new:
        raise Miscounted(f"{path} holds no message")
    doubled = [key for key, times in Counter((line.source, line.external_id) for line in new).items() if times > 1]
    if doubled:
        raise Miscounted(f"{path}: {'/'.join(doubled[0])} is there more than once, so rows cannot be counted")
    return Load(tuple(new), tuple(_tasks(new)))


def _line(line: str, place: str) -> MessageLine:
    try:
        fields = json.loads(line)
        return MessageLine.model_validate({name: fields[name] for name in fields if name not in _OF_THE_DEMO})
    except (ValueError, TypeError, ValidationError) as error:
        raise Miscounted(f"{place} is no message in the import format: {str(error).splitlines()[0]}") from error


def _tasks(lines: list[MessageLine]) -> list[int]:
    now = datetime.now(UTC)
    raws = [line.to_raw(workspace=WORKSPACE, channel=CHANNEL, origin=Origin.IMPORT, received_at=now) for line in lines]
    judged = classify(normalize(raws), judge=rules.judge)
    return [len(item.tasks) for item in extract(judged, time_zone=lambda _: UTC)]
