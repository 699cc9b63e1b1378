"""``dead``: what could not be used is listed, shown, edited, sent round again, and dropped."""

import asyncio
import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from connectors.publish import Publisher
from deploy import links
from tests.connectors.signing import SECRET
from tests.deploy.cli.stacks import ROOT, Up, clean_environment, command, until
from tests.making import raw

_FOUND = "select id::text, reason, tries, state, stage, requeued_at from dead_letters where position(%s in body) > 0"


def letter(house: Up, text: str, **wanted: Any) -> dict[str, Any]:
    """Wait for the dead letter whose original bytes hold a text, and until it is as wanted."""

    def found() -> list[dict[str, Any]]:
        rows = house.rows(_FOUND, text.encode())
        return [row for row in rows if all(row[name] == value for name, value in wanted.items())]

    [only] = until(found, what=f"the dead letter {text} {wanted}")
    return dict(only)


def bury(house: Up, folder: Path, text: str) -> dict[str, Any]:
    """Import a line that is no message."""
    file = folder / "bad.jsonl"
    file.write_text(f"{text}\n")
    house.json("import", file)
    return letter(house, text)


async def _publish(house: Up, source: str, texts: tuple[str, ...]) -> None:
    async with (
        links.nats_client(house.settings, "operator", closed=lambda: None) as nc,
        Publisher(nc) as publisher,
    ):
        messages = [raw(str(place), text, source=source, channel="webhook") for place, text in enumerate(texts)]
        await publisher.publish(messages)


def refuse(house: Up, source: str, *texts: str) -> list[dict[str, Any]]:
    """Send messages of a source that is not there, and wait for their dead letters."""
    asyncio.run(_publish(house, source, texts))
    return [letter(house, text) for text in texts]


def add(house: Up, source: str) -> None:
    house.json("sources", "add", "webhook", source, "--secret", SECRET)


def test_list_shows_whole_ids_and_reasons_and_what_to_do(house: Up, tmp_path: Path) -> None:
    dead = bury(house, tmp_path, '["listed"]')
    said = house.run("dead", "list", "--limit", 200).stdout
    assert dead["id"] in said
    assert "not a JSON object" in said
    assert "./run dead show ID" in said
    assert dead["id"] in {each["id"] for each in house.json("dead", "list", "--limit", 200)}


def test_list_and_summary_are_narrowed(house: Up, tmp_path: Path) -> None:
    [here] = refuse(house, "narrow", "please narrow it down")
    other = bury(house, tmp_path, '["narrowed"]')
    reason = "no source narrow of channel webhook in workspace default"
    for options in (("--reason", reason), ("--reason", here["reason"], "--stage", "persist", "--state", "waiting")):
        assert [each["id"] for each in house.json("dead", "list", *options)] == [here["id"]]
    assert other["id"] in {each["id"] for each in house.json("dead", "list", "--stage", "import", "--limit", 200)}
    [kind] = house.json("dead", "summary", "--reason", reason)
    assert (kind["stage"], kind["waiting"], kind["letters"]) == ("persist", 1, 1)
    assert reason in house.run("dead", "summary", "--stage", "persist").stdout
    assert house.run("dead", "list", "--reason", "no such reason").stdout == "no dead letters\n"


def test_show_gives_the_bytes_and_cannot_command_the_terminal(house: Up, tmp_path: Path) -> None:
    dead = bury(house, tmp_path, '["shown \x1b]0;owned\x07"]')
    said = house.run("dead", "show", dead["id"]).stdout
    assert "shown ␛]0;owned" in said
    assert "\x1b" not in said
    assert house.json("dead", "show", dead["id"])["text"].startswith('["shown \x1b')


def test_letter_that_was_refused_for_its_source_is_requeued_once_that_is_there(house: Up) -> None:
    [dead] = refuse(house, "late", "please fix the late source")
    assert "late" in dead["reason"]
    add(house, "late")
    ended = house.run("dead", "requeue", dead["id"])
    assert (ended.returncode, ended.stdout) == (0, f"{dead['id']} goes round again\n")
    until(lambda: house.count("late") == 1, what="the row")
    assert letter(house, "the late source", state="sent")["requeued_at"] is not None
    assert "sent round again" in house.run("dead", "list", "--limit", 200).stdout
    assert house.json("reconcile")["missing"] == []


def test_requeued_letter_that_dies_again_is_tried_twice(house: Up) -> None:
    [dead] = refuse(house, "never", "please fix what dies again")
    assert house.json("dead", "requeue", dead["id"]) == {"asked": 1, "refused": 0}
    again = letter(house, "what dies again", tries=2)
    assert (again["id"], again["state"], again["requeued_at"]) == (dead["id"], "waiting", None)
    assert house.json("dead", "show", dead["id"])["tries"] == 2


def test_edited_letter_goes_round_as_edited_and_counts_its_tries(house: Up, tmp_path: Path) -> None:
    dead = bury(house, tmp_path, '{"mend": "me')
    source, file = "mended", tmp_path / "mended.json"
    file.write_bytes(raw("1", "please fix what was mended", source=source, channel="files").model_dump_json().encode())
    said = house.run("dead", "edit", dead["id"], "--file", file).stdout
    assert "not fit to go yet: it would die again" in said  # it came on the subject of another source
    subject = house.json("dead", "show", dead["id"])["subject"]
    meant = raw("1", "please fix what was mended", source=subject.split(".")[-1], channel="files")
    changed = house.run("dead", "edit", dead["id"], "--file", "-", given=meant.model_dump_json())
    assert f"./run dead requeue {dead['id']}" in changed.stdout
    shown = house.run("dead", "show", dead["id"]).stdout
    assert '{"mend": "me' in shown
    assert "edited text" in shown
    house.json("dead", "requeue", dead["id"])
    again = letter(house, '{"mend": "me', tries=2)
    assert (again["id"], again["stage"]) == (dead["id"], "persist")
    assert house.json("reconcile")["missing"] == []


def test_edit_without_a_terminal_says_how(house: Up, tmp_path: Path) -> None:
    dead = bury(house, tmp_path, '["not edited"]')
    ended = house.run("dead", "edit", dead["id"])
    assert ended.returncode == 1
    assert "--file" in ended.stderr


def test_edit_opens_the_editor_of_the_person_at_the_terminal(house: Up, tmp_path: Path) -> None:
    dead = bury(house, tmp_path, '["in an editor"]')
    master, terminal = pty.openpty()
    for editor, code in (("sed -i s/editor/affair/", 0), ("true", 1)):
        ended = subprocess.run(
            command("dead", "edit", dead["id"], "--data", house.folder),
            stdin=terminal,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=ROOT,
            env=clean_environment(EDITOR=editor, VISUAL=editor),
        )
        assert ended.returncode == code, ended.stderr
    assert "nothing was edited" in ended.stderr
    os.close(master)
    os.close(terminal)
    shown = house.json("dead", "show", dead["id"])
    assert (shown["text"], shown["edited"]) == ('["in an editor"]\n', {"text": '["in an affair"]\n'})


def test_all_of_a_reason_go_round_again(house: Up) -> None:
    dead = refuse(house, "many", *(f"please do the {number}. of many" for number in range(5)))
    [kind] = house.json("dead", "summary", "--reason", "no source many of channel webhook in workspace default")
    add(house, "many")
    assert house.json("dead", "requeue", "--stage", kind["stage"], "--reason", kind["reason"]) == {
        "asked": 5,
        "refused": 0,
    }
    until(lambda: house.count("many") == 5, what="the rows")
    until(lambda: {house.json("dead", "show", each["id"])["state"] for each in dead} == {"sent"}, what="the notes")


def test_letter_that_is_no_message_is_not_requeued(house: Up, tmp_path: Path) -> None:
    dead = bury(house, tmp_path, '{"garbage": 1')
    ended = house.run("dead", "requeue", dead["id"])
    assert ended.returncode == 1
    assert "it would die again" in ended.stderr
    assert "edit it first" in ended.stderr
    assert letter(house, '{"garbage": 1')["requeued_at"] is None
    said = house.run("dead", "requeue", "--stage", "import", "--reason", dead["reason"]).stdout
    assert said.startswith("0 go round again\n")
    assert "would die again at once" in said


def test_of_several_letters_those_that_can_go_do(house: Up, tmp_path: Path) -> None:
    [good] = refuse(house, "several", "please see to several")
    bad = bury(house, tmp_path, '["several"]')
    ended = house.run("dead", "requeue", bad["id"], good["id"])
    assert ended.returncode == 1
    assert bad["id"] in ended.stderr
    assert "the other 1 are done" in ended.stderr
    letter(house, "see to several", tries=2)


@pytest.mark.parametrize("verb", ["requeue", "drop"])
def test_which_letters_must_be_said(house: Up, tmp_path: Path, verb: str) -> None:
    dead = bury(house, tmp_path, f'["which to {verb}"]')
    for arguments in ((), (dead["id"], "--stage", "import")):
        ended = house.run("dead", verb, *arguments)
        assert ended.returncode == 1
        assert "say which" in ended.stderr
    assert letter(house, f"which to {verb}")["state"] == "waiting"


def test_dropped_letter_is_gone(house: Up, tmp_path: Path) -> None:
    dead = bury(house, tmp_path, '["dropped"]')
    assert house.run("dead", "drop", dead["id"]).stdout == f"{dead['id']} is gone\n"
    again = house.run("dead", "drop", dead["id"])
    assert again.returncode == 1
    assert f"no dead letter {dead['id']}" in again.stderr
    shown = house.run("dead", "show", dead["id"])
    assert shown.returncode == 1
    assert "404" in shown.stderr


def test_many_are_dropped_after_a_yes(house: Up) -> None:
    dead = refuse(house, "dropped", *(f"please drop the {number}." for number in range(3)))
    kind = ("--stage", "persist", "--reason", "no source dropped of channel webhook in workspace default")
    for given in ("n\n", ""):
        ended = house.run("dead", "drop", *kind, given=given)
        assert ended.returncode == 1
        assert "Drop 3 dead letters for good?" in ended.stderr
    assert len(house.json("dead", "list", *kind)) == len(dead)
    assert house.run("dead", "drop", *kind, given="y\n").stdout.strip() == "3 are gone"
    assert house.json("dead", "list", *kind) == []
    assert house.json("dead", "drop", *kind, "--yes") == {"dropped": 0}


def test_edit_and_drop_answer_programs_in_json(house: Up, tmp_path: Path) -> None:
    dead = bury(house, tmp_path, '["in json"]')
    edited = house.run("dead", "edit", dead["id"], "--file", "-", "--json", given=b"\xff")
    assert json.loads(edited.stdout)["edited"] == {"base64": "/w=="}
    assert house.json("dead", "drop", dead["id"]) == {"dropped": 1}
