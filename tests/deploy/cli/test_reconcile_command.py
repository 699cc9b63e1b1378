"""``reconcile``: says that the books balance when they do, and names what is missing when they do not."""

import asyncio
from pathlib import Path

import nats
import psycopg

from schemas.subjects import Stream
from tests.deploy.cli.stacks import Up, until, up

WORK = "please fix the login page, it crashes"


def told(stack: Up) -> bool:
    """Say whether the last thing that was sent has been stored, and every event has its place."""
    [row] = stack.rows("select count(*) from events where type in ('message.edited', 'dead.buried')")
    return bool(row["count"] == 2 and stack.api("health")["database"]["relay"]["waiting"] == 0)


async def forget_an_event(stack: Up) -> None:
    client = await nats.connect(stack.settings.nats("admin"))
    await client.jetstream().delete_msg(Stream.RESULTS, 3)
    await client.close()


def test_books_balance_until_something_is_taken_out(folder: Path, tmp_path: Path) -> None:
    with up(folder) as stack:
        lines = [{"source": "books", "external_id": str(n), "text": f"{WORK}: {n}"} for n in range(30)]
        lines += [{"source": "books", "external_id": f"talk {n}", "text": "good morning"} for n in range(10)]
        assert stack.client.post("/api/messages", json=lines).status_code == 202
        edit = {"source": "books", "external_id": "1", "text": f"{WORK} today", "kind": "edit", "revision": 7}
        assert stack.client.post("/api/messages", json=edit).status_code == 202
        broken = tmp_path / "broken.jsonl"
        broken.write_text("no message\\n")
        stack.json("import", broken)
        until(lambda: told(stack), what="everything to be stored and told")

        books = stack.json("reconcile")
        assert (books["missing"], books["waiting"]) == ([], 0)
        assert (books["read"]["raw messages"], books["read"]["messages"], books["read"]["dead letters"]) == (41, 40, 1)
        assert books["read"]["results"] == books["read"]["events"] > 70
        assert "the books balance" in stack.run("reconcile").stdout

        asyncio.run(forget_an_event(stack))
        with psycopg.connect(stack.settings.database("migrate"), autocommit=True) as conn:
            conn.execute("delete from messages where external_id = 'talk 4'")
            conn.execute("delete from evidence where task = (select id from tasks where number = 7)")
        ended = stack.run("reconcile")
        assert ended.returncode == 1
        assert "default/books/talk 4" in ended.stdout
        assert "event at another place in RESULTS, or nowhere: 3 " in ended.stdout
        assert "task without its message's words: " in ended.stdout
        assert "3 missing" in ended.stdout
