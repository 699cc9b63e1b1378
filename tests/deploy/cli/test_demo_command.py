"""``demo``: made for the first minute, so it must work the second time, too."""

import re
import signal
from pathlib import Path

from tests.deploy.cli.stacks import cli, processes_of, started, until


def figures(said: str) -> tuple[int, int]:
    """Read from the summary how many messages and tasks are stored."""
    [(messages, tasks)] = re.findall(r"stored: (\d+) messages \(.*?\), (\d+) tasks", said)
    return int(messages), int(tasks)


def test_demo_makes_tasks_shows_their_evidence_and_doubles_nothing_the_second_time(folder: Path) -> None:
    first = cli("demo", "--exit", "--data", folder, "--port", 0)
    assert (first.returncode, first.stderr) == (0, "")
    messages, tasks = figures(first.stdout)
    shown = re.findall(r"^#(\d+) ", first.stdout, re.MULTILINE)
    assert len(shown) == tasks > 20
    assert messages > 100
    assert "«please»" in first.stdout
    assert "token=" not in first.stdout
    second = cli("demo", "--exit", "--data", folder, "--port", 0)
    assert (second.returncode, second.stderr) == (0, "")
    assert figures(second.stdout) == (messages, tasks)
    assert "was played here before: nothing was added" in second.stdout
    assert processes_of(folder) == {}


def test_demo_that_is_stopped_while_it_plays_ends_well(folder: Path) -> None:
    with started("demo", folder) as (process, out):
        until(lambda: "#1 " in out.read_text(), what="the first task")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert "Traceback" not in out.read_text()
    assert processes_of(folder) == {}
