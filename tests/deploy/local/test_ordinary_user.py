"""The servers without any rights of root: when the tests run as root, a child becomes nobody for it."""

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import deploy

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(os.geteuid() != 0, reason="every other test of the stack is this one already"),
]

_PROGRAM = """
import sys
from pathlib import Path
import psycopg
from deploy.local.credentials import load_or_create
from deploy.local.nats import Nats
from deploy.local.postgres import Postgres

folder = Path(sys.argv[1])
credentials = load_or_create(folder)
pg_bin = Path(sys.argv[2]) if sys.argv[2] else None
servers = [Postgres(folder, credentials, pg_bin=pg_bin), Nats(folder, credentials)]
try:
    for server in servers:
        server.start()
    with psycopg.connect(servers[0].url()) as conn:
        print(conn.execute("select current_user").fetchone()[0])
    for server in servers:
        print(Path(f"/proc/{server.pid}").stat().st_uid)
finally:
    for server in servers:
        server.stop()
"""


def test_ordinary_user_without_a_home_runs_the_servers(stack_folder: Path, pg_bin: Path | None) -> None:
    root = Path(deploy.__file__).parent.parent
    if not _open_to_all(root):
        pytest.skip(f"{root} lies behind a door that is closed to nobody")
    nobody = pwd.getpwnam("nobody")
    home = stack_folder / "data"
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    python = _python_for_all(stack_folder)
    ended = subprocess.run(
        [python, "-c", _PROGRAM, home, pg_bin or ""],
        env={
            "PATH": os.defpath,
            "PYTHONPATH": f"{root}:{sysconfig.get_path('purelib')}",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        cwd="/",
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ended.stdout.split() == ["tasktracker_migrate", str(nobody.pw_uid), str(nobody.pw_uid)], ended.stderr


def _open_to_all(path: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in (path, *path.parents))


def _python_for_all(folder: Path) -> Path:
    """Give this interpreter, or a copy of it where it lies behind a closed door (below /root)."""
    program, library = Path(sys.executable).resolve(), Path(sysconfig.get_path("stdlib"))
    if _open_to_all(program.parent) and _open_to_all(library):
        return program
    copy = folder / "python" / "bin" / program.name
    copy.parent.mkdir(parents=True)
    # A shared libpython is looked for at a place that is written into the program: here, in the copy's own library.
    place = sysconfig.get_config_var("LIBDIR").encode() + b"\0"
    copy.write_bytes(program.read_bytes().replace(place, b"$ORIGIN/../lib".ljust(len(place), b"\0")))
    copy.chmod(0o755)
    ignore = shutil.ignore_patterns("site-packages", "test", "tests", "idlelib", "ensurepip", "config-*", "__pycache__")
    shutil.copytree(library, folder / "python/lib" / library.name, ignore=ignore)
    for shared in library.parent.glob("libpython*.so*"):
        shutil.copy(shared, folder / "python/lib")
    return copy
