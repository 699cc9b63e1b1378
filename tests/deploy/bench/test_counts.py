"""Wrong counts end a benchmark."""

import json
from pathlib import Path

import pytest

from deploy.bench.counts import Miscounted, medians, quantile
from deploy.bench.load import read

LINE = {"source": "chat", "external_id": "1", "text": "please fix the login page"}


def written(folder: Path, *lines: object) -> Path:
    path = folder / "messages.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_quantile_of_nothing_is_refused() -> None:
    with pytest.raises(Miscounted, match="nothing was measured"):
        quantile([], 0.5)


def test_one_of_a_hundred_decides_the_last_percent() -> None:
    assert quantile([1.0] * 98 + [9.0] * 2, 0.99) == 9.0
    assert quantile([1.0] * 99 + [9.0], 0.99) == 1.0


def test_medians_of_unlike_rounds_keep_what_is_no_number() -> None:
    rounds = [{"name": "x", "cpu": {"nats": each}} for each in (5, 1, 2)]
    assert medians(rounds) == {"name": "x", "cpu": {"nats": 2}}


def test_repeated_messages_share_no_id_and_keep_their_replies() -> None:
    load = read(None)
    count = 2 * len(load.lines) + 5
    lines = list(load.repeated(count, tag="a"))
    names = {(line.source, line.external_id) for line in lines}
    assert len(names) == count
    assert not names & {(line.source, line.external_id) for line in load.repeated(count, tag="b")}
    replies = [(line.source, line.reply_to) for line in lines[: len(load.lines)] if line.reply_to]
    assert replies
    assert set(replies) & names


def test_tasks_of_the_load_are_those_that_the_stages_find(tmp_path: Path) -> None:
    load = read(written(tmp_path, LINE, LINE | {"external_id": "2", "text": "good morning all"}))
    assert [load.tasks_in(count) for count in (1, 2, 3, 4)] == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([LINE, LINE], "chat/1 is there more than once"),
        ([LINE, {"source": "chat"}], "line 2 is no message"),
        ([LINE | {"kind": "delete"}], "holds no message"),
    ],
)
def test_file_of_no_use_is_refused(tmp_path: Path, lines: list[object], said: str) -> None:
    with pytest.raises(Miscounted, match=said):
        read(written(tmp_path, *lines))
