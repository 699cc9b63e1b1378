"""``dead``: what could not be used is listed, shown, sent round again, and dropped."""

import asyncio
from pathlib import Path
from typing import Any

from connectors.publish import Publisher
from deploy import links
from tests.connectors.signing import SECRET
from tests.deploy.cli.stacks import Up, until
from tests.making import raw


def letter(house: Up, text: str) -> dict[str, Any]:
    """Wait for the dead letter whose bytes hold a text."""
    query = "select id::text, reason, tries, requeued_at from dead_letters where position(%s in body) > 0"
    [found] = until(lambda: house.rows(query, text.encode()), what=f"the dead letter {text}")
    return dict(found)


def bury(house: Up, folder: Path, text: str) -> dict[str, Any]:
    """Import a line that is no message."""
    file = folder / "bad.jsonl"
    file.write_text(f"{text}\n")
    house.json("import", file)
    return letter(house, text)


async def publish(house: Up, source: str, text: str) -> None:
    async with (
        links.nats_client(house.settings, "operator", closed=lambda: None) as nc,
        Publisher(nc) as publisher,
    ):
        await publisher.publish([raw("1", text, source=source, channel="webhook")])


def test_list_shows_whole_ids_and_reasons_and_what_to_do(house: Up, tmp_path: Path) -> None:
    dead = bury(house, tmp_path, '["listed"]')
    said = house.run("dead", "list", "--limit", 200).stdout
    assert dead["id"] in said
    assert "not a JSON object" in said
    assert "./run dead show ID" in said
    assert dead["id"] in {each["id"] for each in house.json("dead", "list", "--limit", 200)}


def test_show_gives_the_bytes_and_cannot_command_the_terminal(house: Up, tmp_path: Path) -> None:
    dead = bury(house, tmp_path, '["shown \x1b]0;owned\x07"]')
    said = house.run("dead", "show", dead["id"]).stdout
    assert "shown ␛]0;owned" in said
    assert "\x1b" not in said
    assert house.json("dead", "show", dead["id"])["text"].startswith('["shown \x1b')


def test_letter_that_was_refused_for_its_source_is_requeued_once_that_is_there(house: Up) -> None:
    asyncio.run(publish(house, "late", "please fix the late source"))
    dead = letter(house, "the late source")
    assert "late" in dead["reason"]
    house.json("sources", "add", "webhook", "late", "--secret", SECRET)
    ended = house.run("dead", "requeue", dead["id"])
    assert (ended.returncode, ended.stdout) == (0, f"{dead['id']} was sent round again\n")
    until(lambda: house.count("late") == 1, what="the row")
    assert letter(house, "the late source")["requeued_at"] is not None
    assert "sent round again" in house.run("dead", "list", "--limit", 200).stdout


def test_letter_that_is_no_message_is_not_requeued(house: Up, tmp_path: Path) -> None:
    dead = bury(house, tmp_path, '{"garbage": 1')
    ended = house.run("dead", "requeue", dead["id"])
    assert ended.returncode == 1
    assert "it would die again" in ended.stderr
    assert f"./run dead drop {dead['id']}" in ended.stderr
    assert letter(house, '{"garbage": 1')["requeued_at"] is None


def test_dropped_letter_is_gone(house: Up, tmp_path: Path) -> None:
    dead = bury(house, tmp_path, '["dropped"]')
    assert house.run("dead", "drop", dead["id"]).stdout == f"{dead['id']} is gone\n"
    again = house.run("dead", "drop", dead["id"])
    assert (again.returncode, again.stderr) == (1, f"error: no dead letter {dead['id']}\n")
    shown = house.run("dead", "show", dead["id"])
    assert shown.returncode == 1
    assert "404" in shown.stderr
