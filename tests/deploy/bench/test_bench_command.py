"""``bench`` says what is wrong before it starts anything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.cli import Told
from deploy.cli.bench import app
from tests.deploy.cli.stacks import ROOT, until


def test_file_that_holds_no_messages_is_told(tmp_path: Path) -> None:
    path = tmp_path / "poem.txt"
    path.write_text("roses are red\n")
    with pytest.raises(Told, match=r"poem\.txt, line 1 is no message in the import format"):
        app(["road", "--messages", str(path)], standalone_mode=False)


@pytest.mark.parametrize("value", ["1,x", "0", "-3"])
def test_number_that_is_none_is_told(value: str) -> None:
    with pytest.raises(Told, match="--processes"):
        app(["road", f"--processes={value}"], standalone_mode=False)


@pytest.mark.stack
def test_sigterm_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    # SIGINT is ignored in what a shell starts in the background: SIGTERM must do without.
    script = f"trap '' INT; exec {sys.executable} -m deploy.cli bench road --count 500 --repeat 1"
    ran = subprocess.Popen(
        ["/bin/sh", "-c", script],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: list(tmp_path.glob("tasktracker-bench-*/nats.log")), seconds=30, what="the servers")
        [log] = tmp_path.glob("tasktracker-bench-*/nats.log")
        data = (log.parent / "postgres").resolve()  # elsewhere, where PostgreSQL's user cannot reach pytest's folder
        assert data.is_dir()
        ran.terminate()
        ran.terminate()
        _, said = ran.communicate(timeout=30)
    finally:
        ran.kill()
    assert ran.returncode == 1, said
    assert "interrupted: nothing is left of it" in said
    assert list(tmp_path.glob("tasktracker-bench-*")) == []
    assert not data.exists()
