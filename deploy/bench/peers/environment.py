"""The environment of the peers: made by uv from its own lock, beside ours and never mixed with it."""

import asyncio
import os
import shutil
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROJECT = Path(__file__).parent
FOLDER = ROOT / ".boot" / "peers"
_SECONDS = 600.0


class NotThere(Exception):
    """What the peers need is missing; the text says what to do."""


def find_uv() -> Path:
    """Find uv where ``./run`` finds it or puts it; raises NotThere."""
    own = ROOT / ".boot" / "bin" / "uv"
    found = shutil.which("uv") or (str(own) if own.exists() else None)
    if found is None:
        raise NotThere("uv is neither on the PATH nor in .boot/bin: start this with ./run, which fetches it")
    return Path(found)


async def prepare(folder: Path = FOLDER) -> Path:
    """Make the environment with our own Python, or bring it up to its lock; return its interpreter. Raises NotThere."""
    command = [str(find_uv()), "sync", "--locked", "--quiet", "--project", str(PROJECT)]
    python = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if python.exists():
        command += ["--python", str(python)]
    environment = dict(os.environ) | {"UV_SYSTEM_CERTS": "1", "UV_PROJECT_ENVIRONMENT": str(folder)}
    environment.pop("VIRTUAL_ENV", None)  # it would name ours
    making = await asyncio.create_subprocess_exec(*command, env=environment, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
    try:
        _, said = await asyncio.wait_for(making.communicate(), _SECONDS)
    except TimeoutError:
        raise NotThere(f"the packages of the peers did not come within {_SECONDS:.0f} s") from None
    finally:
        if making.returncode is None:
            making.kill()
    if making.returncode:
        raise NotThere(f"the environment of the peers cannot be made: {said.decode(errors='replace').strip()}")
    return folder / "bin" / "python"


def versions(lock: Path = PROJECT / "uv.lock") -> Mapping[str, str]:
    """Read the version of each package out of a lock file."""
    return {each["name"]: each.get("version", "") for each in tomllib.loads(lock.read_text("utf-8"))["package"]}
