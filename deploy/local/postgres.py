"""The embedded PostgreSQL: its data folder, its process, its roles and its one database."""

import hashlib
import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from deploy.local.binaries import SHELTER, find_postgres
from deploy.local.credentials import Credentials, write_private
from deploy.local.process import Process, Service, StackError, User, await_vacancy, free_port, unprivileged_user

SUPERUSER = "postgres"
OWNER = "tasktracker_migrate"
DATABASE = "tasktracker"

# Above the greatest pid of Linux: nobody ever has it.
_NO_PID = 2**22 + 1
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # A commit leads to an ack: these stay on.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # No statement and no context: they hold what people wrote.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}


class Postgres:
    """A PostgreSQL of this stack alone, on 127.0.0.1; as root it runs as user postgres or nobody.

    ``service`` is for a supervisor; ``start`` and ``stop`` run it directly. The port stays the same for this object.
    """

    def __init__(self, directory: Path, credentials: Credentials, *, pg_bin: Path | None = None) -> None:
        self._user = unprivileged_user()
        self._binaries = find_postgres(pg_bin, self._user)
        self._place = directory.resolve() / "postgres"
        self._home = _home(self._place, self._user)
        self._data = self._home / "data"
        self._credentials = credentials
        self._bootstrapped = False
        self.port = free_port()
        self.service = self._describe()
        self._process = Process(self.service, directory / "postgres.log")

    @property
    def pid(self) -> int | None:
        """The postmaster's process id; None unless it runs through ``start``."""
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it serves and its roles exist; raise StackError when it cannot."""
        self._process.start()

    def stop(self) -> None:
        """Disconnect its clients and shut it down."""
        self._process.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()

    def url(self, role: str = OWNER, database: str = DATABASE) -> str:
        """Write the address for a role; it holds the password."""
        password = quote(self._credentials.postgres[role], safe="")
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{database}"

    def _describe(self) -> Service:
        socket_directory = str(self._home) if len(str(self._home)) < 80 else ""
        settings = _SETTINGS | {"port": str(self.port), "unix_socket_directories": socket_directory}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Service(
            name="postgres",
            command=(str(self._binaries.directory / "postgres"), "-D", str(self._data), *options),
            environment=_ENVIRONMENT,
            prepare=self._prepare,
            ready=self._ready,
            # SIGINT: fast shutdown; SIGQUIT: at once, with recovery at the next start.
            stop_signals=(signal.SIGINT, signal.SIGQUIT),
            grace_seconds=4.0,
            death_signal=signal.SIGINT,
            user=self._user,
        )

    def _prepare(self) -> None:
        self._refuse_other_major()
        pid_file = self._data / "postmaster.pid"
        await_vacancy(pid_file, str(self._data))
        _disown(pid_file)
        if not self._data.exists():
            self._initialize()

    def _refuse_other_major(self) -> None:
        try:
            made_by = int((self._data / "PG_VERSION").read_text())
        except FileNotFoundError:
            return
        if made_by != self._binaries.major:
            raise StackError(
                f"{self._data} was made by PostgreSQL {made_by}, and this is PostgreSQL {self._binaries.major} "
                f"({self._binaries.directory}): set PG_BIN to a PostgreSQL {made_by}, or choose another data folder"
            )

    def _initialize(self) -> None:
        """Make the data folder under another name first: one that was left half made is never taken for whole."""
        self._home.mkdir(parents=True, exist_ok=True)
        if self._home != self._place and not self._place.exists():
            SHELTER.chmod(0o711)
            self._place.symlink_to(self._home)
        partial, password = self._home / "data.new", self._home / "password"
        shutil.rmtree(partial, ignore_errors=True)
        write_private(password, self._credentials.postgres[SUPERUSER])
        if self._user:
            for path in (self._home, password):
                os.chown(path, self._user.uid, self._user.gid)
        self._home.chmod(0o700)
        locale = ["--locale=C.UTF-8"]
        if self._binaries.major >= 17:
            # The same order and case rules on every machine, whatever its C library.
            locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        command = [self._binaries.directory / "initdb", "-D", partial, "-U", SUPERUSER, "-E", "UTF8", *locale]
        command += ["-A", "scram-sha-256", "--pwfile", password, "--data-checksums", "--no-instructions"]
        ids = {"user": self._user.uid, "group": self._user.gid, "extra_groups": []} if self._user else {}
        made = subprocess.run(  # type: ignore[call-overload]
            command, env=_ENVIRONMENT, cwd="/", capture_output=True, text=True, timeout=120, check=False, **ids
        )
        password.unlink()
        if made.returncode != 0:
            raise StackError(f"initdb could not make {self._data}:\n{made.stderr.strip()[-2000:]}")
        partial.rename(self._data)

    def _ready(self, pid: int) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().split("\n")
            if int(lines[0]) != pid or lines[7].strip() != "ready":
                return False
        except (OSError, IndexError, ValueError):
            return False
        try:
            with psycopg.connect(self.url(SUPERUSER, "postgres"), autocommit=True, connect_timeout=5) as conn:
                if not self._bootstrapped:
                    self._bootstrap(conn)
            return True
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise StackError(
                    f"{self._data} was made with another credentials.json: put that one back, or choose another data "
                    "folder"
                ) from None
            return False

    def _bootstrap(self, conn: psycopg.Connection) -> None:
        """Make roles and database, or set the roles' passwords anew; the same again changes nothing else."""
        for role, password in self._credentials.postgres.items():
            if role == SUPERUSER:
                continue
            name = sql.Identifier(role)
            if not conn.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone():
                conn.execute(sql.SQL("create role {}").format(name))
            # Hashed here: a clear password in a statement may end in the server's log.
            hashed = conn.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
            conn.execute(sql.SQL("alter role {} login password {}").format(name, sql.Literal(hashed)))
            if role != OWNER:
                conn.execute(sql.SQL("grant {} to {}").format(name, sql.Identifier(OWNER)))
        if not conn.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone():
            conn.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER)))
        with psycopg.connect(self.url(SUPERUSER), autocommit=True, connect_timeout=5) as inside:
            for extension in ("pg_trgm", "unaccent"):
                if inside.execute("select 1 from pg_available_extensions where name = %s", [extension]).fetchone():
                    inside.execute(sql.SQL("create extension if not exists {}").format(sql.Identifier(extension)))
        self._bootstrapped = True


def _home(place: Path, user: User | None) -> Path:
    """Choose where the data lie: in the stack's folder, unless the server's user cannot get there.

    A folder below /root is such a case; a symbolic link then shows the way.
    """
    if place.exists() or user is None or all(_may_enter(parent, user) for parent in place.parents):
        return place.resolve()
    return SHELTER / hashlib.sha256(str(place).encode()).hexdigest()[:16]


def _may_enter(directory: Path, user: User) -> bool:
    try:
        state = directory.stat()
    except FileNotFoundError:
        return True
    if state.st_uid == user.uid:
        return bool(state.st_mode & stat.S_IXUSR)
    return bool(state.st_mode & (stat.S_IXGRP if state.st_gid == user.gid else stat.S_IXOTH))


def _disown(pid_file: Path) -> None:
    """Take the pid of a crashed postmaster out of its file, as another process may have it by now.

    The rest stays: by the shared memory that it names, PostgreSQL knows whether old backends are still writing.
    """
    try:
        _, rest = pid_file.read_text().split("\n", 1)
    except (FileNotFoundError, ValueError):
        return
    with pid_file.open("r+") as file:
        file.write(f"{_NO_PID}\n{rest}")
        file.truncate()
