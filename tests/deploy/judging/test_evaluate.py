"""The golden set, which nothing learns from: shipped figures may not fall; and the verb that shows them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from deploy.cli.evaluate import GOLDEN
from deploy.judging.evaluate import answer, read, read_files, report
from pipelines.judges import linear, rules
from tests.deploy.cli.stacks import called

SHIPPED = json.loads((Path(__file__).with_name("shipped.json")).read_text())
"""What the shipped judge reached when it was shipped; see pipelines/judges/linear.md."""

POINT = 0.01


@cache
def golden() -> dict[str, Any]:
    return report(answer(read_files(sorted(GOLDEN.glob("*.jsonl"))), linear.judge))


def test_golden_set_has_three_hundred_messages_of_each_language() -> None:
    assert {name: found["messages"] for name, found in golden()["languages"].items()} == {
        "en": 300,
        "ru": 300,
        "uk": 300,
    }


@pytest.mark.parametrize("language", ["en", "uk", "ru"])
@pytest.mark.parametrize("figure", ["macro_f1", "recall_of_work", "noise_caught"])
def test_shipped_figure_does_not_fall(language: str, figure: str) -> None:
    assert golden()["languages"][language][figure] >= SHIPPED[language][figure] - POINT


def test_confidence_can_be_believed() -> None:
    assert golden()["calibration"]["ece"] <= 0.08


@pytest.mark.parametrize(("field", "precision"), [("due", 0.95), ("assignee", 0.95)])
def test_field_is_seldom_wrong(field: str, precision: float) -> None:
    assert golden()["fields"][field]["precision"] >= precision


def test_linear_judge_is_better_than_the_rules() -> None:
    by_rules = report(answer(read_files(sorted(GOLDEN.glob("*.jsonl"))), rules.judge))
    assert golden()["macro_f1"] > by_rules["macro_f1"] + 0.1


def test_nothing_of_the_golden_set_is_in_the_seed() -> None:
    from deploy.judging.examples import seeds  # noqa: PLC0415  # needs scikit-learn's company only here

    texts = {" ".join(each.text.lower().split()) for each in seeds()}
    found = {" ".join(case.labelled.text.lower().split()) for case in read_files(sorted(GOLDEN.glob("*.jsonl")))}
    assert {text for text in texts & found if len(text) > 25} == set()


def test_line_that_is_no_labelled_message_is_named() -> None:
    with pytest.raises(ValueError, match="line 2"):
        read(iter([b'{"source": "x", "external_id": "1", "text": "hi", "category": "noise"}', b'{"source": "x"}']))


def test_evaluate_shows_figures_to_people_and_programs(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    file.write_bytes(b"".join((GOLDEN / "en.jsonl").read_bytes().splitlines(keepends=True)[:50]))
    shown = called("evaluate", file, "--judge", "linear")
    assert shown.returncode == 0
    assert "linear: 50 messages, macro-F1" in shown.stdout
    told = json.loads(called("evaluate", file, "--json").stdout)
    assert told["linear"]["messages"] == told["rules"]["messages"] == 50
    assert called("evaluate", file, "--judge", "oracle").returncode == 1
    wrong = called("evaluate", "-", given="no message\n")
    assert (wrong.returncode, "line 1" in wrong.stderr) == (1, True)
