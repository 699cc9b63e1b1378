"""``dev``: the stack, started anew whenever a source file changes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from watchfiles import PythonFilter, watch

from deploy.cli import options, read_settings

_ROOTS = ("schemas", "connectors", "pipelines", "api", "deploy")
_STOP_SECONDS = 15


def dev(data: options.Data = None, port: options.Port = None) -> None:
    """Run the stack with its logs, and start it anew when a Python file changes."""
    settings = read_settings(data=data, port=port)
    console = Console()
    here = Path(__file__).parent.parent.parent
    command = [
        sys.executable,
        "-m",
        "deploy.cli",
        "up",
        "--logs",
        "--port",
        str(settings.port),
        "--data",
        str(settings.data),
    ]
    process = subprocess.Popen(command, env=dict(os.environ))
    try:
        for changes in watch(*(here / root for root in _ROOTS), watch_filter=PythonFilter(), raise_interrupt=False):
            names = ", ".join(sorted({Path(path).name for _, path in changes}))
            console.print(f"changed: {names}; starting anew", style="bold")
            _stop(process)
            process = subprocess.Popen(command, env=dict(os.environ))
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.wait(_STOP_SECONDS)
