"""``doctor``: is everything here that the stack needs, and does what runs do well."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import nats
from rich.text import Text

from deploy import links
from deploy.cli import Told, options, read_settings, sentence
from deploy.cli.look import look
from deploy.cli.terminal import terminal
from deploy.local.binaries import find_nats, find_postgres
from deploy.local.process import unprivileged_user
from deploy.local.stack import running
from deploy.settings import Settings

_ENOUGH_DISK = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: fine, or what to do about it."""

    what: str
    fine: bool
    said: str


def doctor(data: options.Data = None, as_json: options.Json = False) -> None:
    """Look at Python, the servers' programs, the disk and what runs; say what to do about what is wrong."""
    findings = list(_findings(read_settings(data=data)))
    if as_json:
        print(json.dumps([{"what": each.what, "fine": each.fine, "said": each.said} for each in findings]))
    else:
        for each in findings:
            mark = ("fine   ", "green") if each.fine else ("wrong  ", "bold red")
            terminal().print(Text.assemble(mark, f"{each.what:<12}  ", each.said), soft_wrap=True)
    if not all(each.fine for each in findings):
        sys.exit(1)


def _findings(settings: Settings) -> Iterator[Finding]:
    yield Finding(
        "python", sys.version_info[:2] in ((3, 11), (3, 12)), f"{sys.version.split()[0]}; 3.11 and 3.12 are good"
    )
    if (settings.database_url is None) != (settings.nats_url is None):
        yield Finding("servers", False, "give both DATABASE_URL and NATS_URL, or neither: then embedded ones are run")
        return
    if embedded := settings.database_url is None:
        yield _try("postgresql", lambda: _postgres(settings))
        yield _try("nats-server", lambda: find_nats().name)
    else:
        yield _try("database", lambda: asyncio.run(_database(settings)))
        yield _try("nats", lambda: asyncio.run(_nats(settings)))
    yield from _place(settings)
    if embedded and running(settings.data) is None:
        yield Finding(
            "stack", True, f"nothing runs in {settings.data}; start it with `./run up --data {settings.data}`"
        )
    else:
        yield _try("stack", lambda: _healthy(settings))


def _place(settings: Settings) -> Iterator[Finding]:
    place = next(folder for folder in (settings.data.resolve(), *settings.data.resolve().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    yield Finding("disk", free > _ENOUGH_DISK, f"{free / 1024**3:.1f} GB free; streams and database may take 4 GB")
    usable = place.is_dir() and os.access(place, os.W_OK)
    said = "is ours to write" if usable else "cannot be written: choose another with --data"
    yield Finding("data folder", usable, f"{settings.data} {said}")


async def _database(settings: Settings) -> str:
    async with await links.connect(settings, "read")() as conn:
        rows = await conn.execute("select current_setting('server_version'), current_database()")
        version, name = await rows.fetchone() or ("", "")
        await conn.execute("select from messages limit 1")
    return f"PostgreSQL {version.split()[0]}, database {name} lets us read"


async def _nats(settings: Settings) -> str:
    # One try more than it takes: even without reconnecting, the client goes on for two minutes by itself.
    client = await nats.connect(
        settings.nats("api"), connect_timeout=5, max_reconnect_attempts=1, reconnect_time_wait=0.2, error_cb=_unheard
    )
    try:
        return f"nats-server {client.connected_server_version} lets us in"
    finally:
        await client.close()


async def _unheard(_: Exception) -> None:
    """Say nothing: what keeps us out is raised, too."""


def _postgres(settings: Settings) -> str:
    found = find_postgres(settings.pg_bin, unprivileged_user())
    return f"PostgreSQL {found.major}"


def _healthy(settings: Settings) -> str:
    seen = look(settings)
    if seen.wrong:
        raise Told("; ".join(seen.wrong))
    return f"{seen.url}: servers, processes and durables are well"


def _try(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except Exception as error:  # a host: what it has a sentence for is a finding, the rest is a bug
        if (said := sentence(error)) is None:
            raise
        return Finding(what, False, said.removesuffix("; see `./run doctor`"))
