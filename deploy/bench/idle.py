"""What a whole stack uses when nothing happens."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from deploy.bench.servers import open_folder, until
from deploy.bench.usage import cpu_seconds, family, pss_mib
from deploy.local.process import Process, Service
from deploy.local.stack import running
from deploy.settings import Settings

_SETTLE_SECONDS = 3.0


async def idle(*, seconds: float) -> dict[str, Any]:
    """Run ``up`` in a folder of its own and look at it, left alone, for so many seconds."""
    with open_folder() as folder:
        service = Service(
            name="up",
            command=(sys.executable, "-m", "deploy.cli", "up", "--data", str(folder / "data"), "--port", "0"),
            environment=Settings(data=folder / "data").environment() | {"DATABASE_URL": "", "NATS_URL": ""},
            grace_seconds=15.0,
            directory=Path(__file__).parents[2],
        )
        up = Process(service, folder / "up.log")
        up.start()
        try:
            return await _look(up, folder / "data", seconds)
        finally:
            up.stop()


async def _look(up: Process, folder: Path, seconds: float) -> dict[str, Any]:
    async def ready() -> bool:
        return running(folder) is not None

    await until(ready, seconds=90, what="the stack")
    await asyncio.sleep(min(_SETTLE_SECONDS, seconds))  # the start is no part of idling
    pids = family(up.pid or 0)
    before = cpu_seconds(pids)
    await asyncio.sleep(seconds)
    used = cpu_seconds(pids) - before
    return {
        "seconds": seconds,
        "cpu_percent": round(100 * used / seconds, 1),
        "pss_mib": round(sum(map(pss_mib, pids)), 1),
        "processes": len(pids),
    }
