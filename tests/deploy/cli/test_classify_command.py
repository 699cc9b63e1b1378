"""``classify``: a verdict for a text or for JSON Lines, and a sentence for what is neither."""

import json
import subprocess
from typing import Any

import pytest

from tests.deploy.cli.stacks import ROOT, called, clean_environment, cli, command


def written(*lines: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def line(external_id: str, text: str, **more: Any) -> dict[str, Any]:
    return {"source": "s", "external_id": external_id, "text": text, "sent_at": "2026-11-19T10:00:00+00:00"} | more


def test_text_is_judged_with_its_reason_and_its_task_and_without_a_server() -> None:
    ended = cli("classify", "Anna, please fix the login by tomorrow")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Anna, please fix the login by tomorrow\nbug (" in ended.stdout
    assert '"please fix"' in ended.stdout
    assert "for Anna" in ended.stdout


def test_text_comes_from_standard_input_too() -> None:
    assert called("classify", "-", given="please fix the login").stdout.startswith("please fix the login\nbug (")


def test_json_lines_are_answered_one_a_line_in_their_order() -> None:
    given = written(line("1", "Anna, please fix the login by Friday"), line("2", "good morning"))
    ended = called("classify", "--json", "-", given=f"\n{given}\n")
    first, second = map(json.loads, ended.stdout.splitlines())
    fields = {"external_id", "category", "confidence", "priority", "assignee", "due", "title", "spans"}
    assert (ended.returncode, set(first), set(second)) == (0, fields, fields)
    assert (first["external_id"], first["category"], first["assignee"], first["due"]) == (
        "1",
        "bug",
        "Anna",
        "2026-11-20",
    )
    assert (second["external_id"], second["category"], second["title"]) == ("2", "noise", None)


def test_batches_are_answered_whole() -> None:
    given = written(*(line(str(number), f"ok {number}") for number in range(1_100)))
    answers = called("classify", "--json", "-", given=given).stdout.splitlines()
    assert [json.loads(answer)["external_id"] for answer in answers] == [str(number) for number in range(1_100)]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"nope\n", "Invalid JSON"),
        (b'{"source": "s", "external_id": "2"}\n', "text: Field required"),
        (b'{"source": "Not a slug", "external_id": "2", "text": "x"}\n', "source: "),
        (b'{"source": "s", "external_id": "2", "text": "\xff"}\n', "unicode"),
        (b'{"source": "s", "external_id": "2", "text": "a\\u0000"}\n', "NUL"),
        (b"[" * 100_000 + b"\n", "Invalid JSON"),
    ],
    ids=["no JSON", "no text", "no slug", "no UTF-8", "NUL", "deep"],
)
def test_line_that_is_no_message_is_named_once_those_before_it_are_answered(bad: bytes, said: str) -> None:
    given = written(line("1", "please fix it")).encode() + bad + written(line("3", "hello")).encode()
    ended = called("classify", "--json", "-", given=given)
    assert ended.returncode == 1
    assert [json.loads(answer)["external_id"] for answer in ended.stdout.splitlines()] == ["1"]
    assert ended.stderr.startswith("error: line 2 is no message in the import format: ")
    assert said in ended.stderr


def test_text_that_no_message_may_have_is_refused_with_a_sentence() -> None:
    ended = called("classify", "-", given=b"a\0b")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "NUL" in ended.stderr
    assert called("classify").returncode == 2


def test_text_of_no_encoding_is_judged_as_well_as_can_be() -> None:
    ended = called("classify", "-", given=b"please fix it \xff\xfe")
    assert (ended.returncode, ended.stdout.partition("\n")[2].split()[0]) == (0, "bug")


def test_text_cannot_command_the_terminal() -> None:
    ended = called("classify", "please fix \x1b]0;owned\x07 it, @an\x1bna")
    assert ended.returncode == 0
    assert "\x1b" not in ended.stdout
    assert "\x07" not in ended.stdout


def test_reader_that_goes_away_brings_no_stack_trace() -> None:
    arguments = command("classify", "--json", "-")
    with subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=clean_environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(written(*(line(str(number), "ok") for number in range(300))).encode())
        process.stdin.close()
        said = process.stderr.read().decode()
    assert "Traceback" not in said
