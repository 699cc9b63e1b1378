"""Commands from chats: each done once, through the same functions as a request to the api."""

from typing import Any

from psycopg import AsyncConnection
from pydantic import ValidationError

from pipelines.carry import summary
from pipelines.store import idempotency, tasks
from schemas.commands import Command
from schemas.errors import Rejected


def read(subject: str, body: bytes) -> Command:
    """Read a command off the wire; raises Rejected for what is none, or lies about its workspace."""
    try:
        command = Command.model_validate_json(body)
    except ValidationError as error:
        raise Rejected(f"no command: {summary(error)}") from error
    if subject.split(".")[1] != command.workspace:
        raise Rejected(f"says workspace {command.workspace} on subject {subject}")
    return command


async def obey(conn: AsyncConnection[Any], command: Command) -> bool:
    """Do what a command says, in a transaction; return False when it was done before. Raises NotFound or Unfit."""
    async with conn.transaction():
        await idempotency.forget(conn)
        rows = await conn.execute(_REMEMBER, [command.workspace, f"command:{command.id}", command.model_dump_json()])
        if await rows.fetchone() is None:
            return False
        if command.change is not None:
            await tasks.change(conn, command.workspace, command.task, command.change, actor=command.actor, version=None)
        if command.review is not None:
            await tasks.review(conn, command.workspace, command.task, command.review, actor=command.actor, version=None)
    return True


_REMEMBER = """
insert into idempotency (workspace, key, request, response) values (%s, %s, %s, '{}')
on conflict do nothing returning key
"""
