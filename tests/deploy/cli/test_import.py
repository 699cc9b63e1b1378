"""``import`` into a running stack: once, again, edited, broken off, and with lines that are no messages."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import psycopg

from connectors.files import Files
from tests.connectors.signing import SECRET
from tests.deploy.cli.stacks import ROOT, Up, clean_environment, command, until


def line(source: str, external_id: object, text: str, **more: Any) -> dict[str, Any]:
    return {"source": source, "external_id": str(external_id), "conversation": "c", "author": "ann"} | {
        "sent_at": "2026-11-19T10:00:00+00:00",
        "text": text,
        **more,
    }


def written(path: Path, *lines: Any) -> Path:
    path.write_text("".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in lines))
    return path


def test_import_adds_its_messages_and_the_same_again_adds_nothing(house: Up, tmp_path: Path) -> None:
    lines = [line("small", number, f"please renew certificate {number} by Friday") for number in range(40)]
    file = written(tmp_path / "small.jsonl", *lines)
    first = house.json("import", file)
    assert first == {"accepted": 40, "refused": {}, "resumed_at": 0, "added": 40}
    before = house.api("stats")
    assert before["by_source"]["small"] == 40
    again = house.json("import", file)
    assert (again["accepted"], again["added"]) == (40, 0)
    assert house.api("stats") == before
    said = house.run("import", file)
    assert "40 messages accepted, 0 refused" in said.stderr
    assert "0 of them were not here before" in said.stderr


def test_newer_revision_changes_row_and_task(house: Up, tmp_path: Path) -> None:
    house.json("import", written(tmp_path / "a.jsonl", line("edited", 1, "please renew the certificate by Friday")))
    [task] = [
        task
        for task in house.api("tasks", limit=200)["items"]
        if "edited" in {each["source"] for each in task["evidence"]}
    ]
    assert task["due"] == "2026-11-20"
    newer = line("edited", 1, "please renew the wildcard certificate by Monday", kind="edit", revision=2)
    assert house.json("import", written(tmp_path / "b.jsonl", newer))["added"] == 0
    changed = house.api(f"tasks/{task['id']}")
    assert (changed["number"], changed["due"]) == (task["number"], "2026-11-23")
    assert "wildcard" in changed["title"]
    [row] = house.rows("select text, revision from messages where source = %s", "edited")
    assert row == {"text": "please renew the wildcard certificate by Monday", "revision": 2}
    older = line("edited", 1, "please forget it", kind="edit", revision=1)
    house.json("import", written(tmp_path / "c.jsonl", older))
    assert house.rows("select text, revision from messages where source = %s", "edited") == [row]


def test_killed_import_goes_on_where_it_stopped(house: Up, tmp_path: Path) -> None:
    total = 8_000
    file = written(tmp_path / "large.jsonl", *(line("large", number, f"ok {number}") for number in range(total)))
    key = Files().key(file)
    with psycopg.connect(house.settings.database("write"), autocommit=True) as conn:

        def begun() -> bool:
            row = conn.execute("select done from imports where key = %s", [key]).fetchone()
            return row is not None and row[0] > 0

        arguments = command("import", file, "--data", house.folder)
        with subprocess.Popen(
            arguments, cwd=ROOT, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as importing:
            until(begun, what="the first batch")
            importing.send_signal(signal.SIGKILL)
    assert importing.returncode == -signal.SIGKILL
    rest = house.json("import", file)
    assert 0 < rest["resumed_at"] < file.stat().st_size
    assert rest["accepted"] < total
    assert house.count("large") == total
    [row] = house.rows("select count(distinct external_id) as ids from messages where source = %s", "large")
    assert row["ids"] == total


def test_lines_that_are_no_messages_are_kept_with_their_reason(house: Up, tmp_path: Path) -> None:
    file = written(
        tmp_path / "bad.jsonl",
        "{not json",
        line("bad", 1, "fine"),
        {"source": "bad"},
        "[1, 2]",
        line("bad", 2, "an edit of what?", kind="edit"),
        line("Bad Name", 3, "x"),
    )
    report = house.json("import", file)
    assert (report["accepted"], report["added"], sum(report["refused"].values())) == (1, 1, 5)
    reasons = set(report["refused"])

    def buried() -> bool:
        return reasons <= {letter["reason"] for letter in house.json("dead", "list", "--limit", 200)}

    until(buried, what="the dead letters")
    assert "not a JSON object" in reasons
    assert any("an edit needs a revision" in reason for reason in reasons)
    assert any(reason.startswith("external_id: Field required") for reason in reasons)
    said = house.run("import", file).stderr
    assert "refused ones are kept with their bytes: `./run dead list`" in said


def test_source_and_format_can_be_given(house: Up, tmp_path: Path) -> None:
    file = written(tmp_path / "export.txt", line("somewhere", 1, "hello"))
    assert house.json("import", file, "--as", "jsonl", "--source", "given")["added"] == 1
    assert (house.count("given"), house.count("somewhere")) == (1, 0)
    unknown = house.run("import", written(tmp_path / "plain.txt", "just words"))
    assert unknown.returncode == 1
    assert "--as jsonl|mbox|eml" in unknown.stderr
    wrong = house.run("import", file, "--source", "Not A Slug")
    assert wrong.returncode == 1
    assert "--source Not A Slug: 1 to 40 of a-z, 0-9 and -" in wrong.stderr


def test_source_of_another_channel_is_not_imported_into(house: Up, tmp_path: Path) -> None:
    house.json("sources", "add", "webhook", "taken", "--secret", SECRET)
    report = house.json("import", written(tmp_path / "t.jsonl", line("taken", 1, "hello")))
    assert (report["accepted"], house.count("taken")) == (0, 0)
    assert list(report["refused"]) == ["source taken belongs to channel webhook, not to files: choose another name"]
