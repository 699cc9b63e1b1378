"""``dev``: the stack, started anew whenever a source file changes."""

import signal
import subprocess
import sys
from pathlib import Path

from watchfiles import PythonFilter, watch

from deploy.cli import options, read_settings
from deploy.cli.terminal import terminal

_ROOTS = ("schemas", "connectors", "pipelines", "api", "deploy")
_STOP_SECONDS = 15


def dev(data: options.Data = None, port: options.Port = None) -> None:
    """Run the stack with its logs, and start it anew when a Python file changes."""
    settings = read_settings(data=data, port=port)
    console = terminal(stderr=True)
    here = Path(__file__).parent.parent.parent
    where = ["--port", str(settings.port), "--data", str(settings.data)]
    command = [sys.executable, "-m", "deploy.cli", "up", "--logs", *where]
    process = subprocess.Popen(command)
    try:
        for changes in watch(*(here / root for root in _ROOTS), watch_filter=PythonFilter(), raise_interrupt=False):
            names = ", ".join(sorted({Path(path).name for _, path in changes}))
            console.print(f"changed: {names}; starting anew", style="bold")
            _stop(process)
            process = subprocess.Popen(command)
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.wait(_STOP_SECONDS)
