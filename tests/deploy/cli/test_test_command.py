"""``test``: each test belongs to one phase, and a phase without a test is no success."""

import tomllib
from itertools import product
from pathlib import Path

from deploy.cli import test as verb
from tests.deploy.cli.stacks import ROOT

MARKS = ("stack", "faults", "browser")


def written(folder: Path, text: str) -> str:
    file = folder / "test_it.py"
    file.write_text(text)
    return str(file)


def test_checks_come_first_and_the_slowest_tests_last() -> None:
    names = [name for name, _ in (*verb.CHECKS, *verb.TESTS)]
    assert names == [
        "style",
        "format",
        "types",
        "layers",
        "quick tests",
        "tests with real servers",
        "tests in a browser",
        "faults",
    ]


def test_each_combination_of_marks_belongs_to_one_phase() -> None:
    for values in product((True, False), repeat=len(MARKS)):
        marks = dict(zip(MARKS, values, strict=True))
        phases = [name for name, expression in verb.TESTS if eval(expression, {}, dict(marks))]
        assert len(phases) == 1, marks


def test_doctests_of_every_package_are_collected() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(verb.PATHS) == {*project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"], "tests"}


def test_phase_in_which_no_test_ran_is_no_success(tmp_path: Path) -> None:
    skipped = "import pytest\n\n@pytest.mark.skip\ndef test_one(): ...\n"
    assert verb.run_tests("not stack", written(tmp_path, skipped)) == verb.NO_TEST_RAN
    assert verb.run_tests("not stack", written(tmp_path, f"{skipped}\ndef test_two(): ...\n")) == 0
