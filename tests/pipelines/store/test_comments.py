"""pipelines/store/comments.py: what is said about a task is stored and told."""

from uuid import uuid4

import pytest

from pipelines.store import comments, tasks
from schemas.errors import NotFound
from schemas.tasks import NewComment, NewTask
from tests.asking import Conn, rows, told


async def test_comment_is_told_with_its_task_which_keeps_its_version(conn: Conn) -> None:
    async with conn.transaction():
        task = await tasks.create(conn, "default", NewTask(title="Order paper"), actor="anna")
        comment = await comments.add(conn, "default", task.id, NewComment(text=" Which size? "), actor="bob")
    assert (comment.task, comment.author, comment.text) == (task.id, "bob", "Which size?")
    [event] = await told(conn, "task.commented")
    assert (event["actor"], event["task"]) == ("bob", task.id)
    assert event["data"] == {"task": task.model_dump(mode="json"), "comment": comment.model_dump(mode="json")}
    assert await rows(conn, "select version from tasks") == [{"version": 1}]


async def test_comment_on_no_task_is_refused(conn: Conn) -> None:
    with pytest.raises(NotFound):
        async with conn.transaction():
            await comments.add(conn, "default", uuid4(), NewComment(text="Hello?"), actor="bob")
    assert not await rows(conn, "select from comments")
