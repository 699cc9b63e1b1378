"""pipelines/store/commands.py: what is pressed in a chat is done once."""

from typing import Any
from uuid import uuid4

import pytest

from pipelines.store import tasks
from pipelines.store.commands import obey
from pipelines.store.idempotency import once
from schemas.commands import Command
from schemas.errors import NotFound
from schemas.tasks import NewTask, Task
from tests.asking import Conn, rows, told


async def made(conn: Conn) -> Task:
    async with conn.transaction():
        return await tasks.create(conn, "default", NewTask(title="Order paper"), actor="anna")


def pressed(task: Task, **fields: Any) -> Command:
    return Command.model_validate({"id": "update-7", "actor": "bob", "task": task.id} | fields)


async def test_command_is_obeyed_once_however_often_it_comes(conn: Conn) -> None:
    task = await made(conn)
    command = pressed(task, change={"status": "done"})
    assert [await obey(conn, command) for _ in range(3)] == [True, False, False]
    [event] = await told(conn, "task.updated")
    assert (event["actor"], event["data"]["changed"]) == ("bob", {"status": {"before": "open", "after": "done"}})


async def test_repeated_command_does_not_undo_what_came_after_it(conn: Conn) -> None:
    task = await made(conn)
    await obey(conn, pressed(task, change={"status": "done"}))
    await obey(conn, pressed(task, id="update-8", change={"status": "open"}))
    await obey(conn, pressed(task, change={"status": "done"}))
    assert await rows(conn, "select status, version from tasks") == [{"status": "open", "version": 3}]


async def test_command_may_review(conn: Conn) -> None:
    task = await made(conn)
    await obey(conn, pressed(task, review={"decision": "rejected"}))
    assert await rows(conn, "select status, review from tasks") == [{"status": "cancelled", "review": "rejected"}]


async def test_command_that_fails_is_not_remembered(conn: Conn) -> None:
    command = Command.model_validate({"id": "update-7", "actor": "bob", "task": uuid4(), "change": {"title": "Mine"}})
    for _ in range(2):
        with pytest.raises(NotFound):
            await obey(conn, command)
    assert not await rows(conn, "select from idempotency")


async def test_key_of_a_request_never_stands_for_a_command(conn: Conn) -> None:
    task = await made(conn)

    async def answer() -> str:
        return "{}"

    await once(conn, "default", "command:update-7", "something else", answer)
    assert await obey(conn, pressed(task, change={"status": "done"}))
