"""``doctor``: is everything here that the stack needs, and does what runs do well."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.text import Text

from deploy.cli import Told, options, read_settings
from deploy.cli.look import look
from deploy.cli.terminal import terminal
from deploy.local.binaries import find_nats, find_postgres
from deploy.local.process import StackError, unprivileged_user
from deploy.local.stack import running
from deploy.settings import SettingMissing, Settings

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
    if settings.database_url is None:
        yield _try("postgresql", lambda: _postgres(settings))
    if settings.nats_url is None:
        yield _try("nats-server", lambda: str(find_nats().name))
    place = next(folder for folder in (settings.data.resolve(), *settings.data.resolve().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    yield Finding("disk", free > _ENOUGH_DISK, f"{free / 1024**3:.1f} GB free; streams and database may take 4 GB")
    writable = os.access(place, os.W_OK)
    said = "is ours to write" if writable else "cannot be written: choose another with --data"
    yield Finding("data folder", writable, f"{settings.data} {said}")
    found = running(settings.data)
    if found is None and settings.database_url is None:
        yield Finding(
            "stack", True, f"nothing runs in {settings.data}; start it with `./run up --data {settings.data}`"
        )
        return
    yield _try("stack", lambda: _healthy(settings))


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
    except (Told, StackError, SettingMissing) as error:
        return Finding(what, False, str(error))
