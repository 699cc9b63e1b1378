"""One stack a folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.lock import hold
from deploy.local.process import StackError

_HOLDER = """
import sys
from pathlib import Path
from deploy.local.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_second_stack_in_a_folder_is_refused_naming_the_first(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StackError, match=rf"\(process {holder.pid}\): stop that one"), hold(tmp_path):
            pass
        holder.kill()
    with hold(tmp_path):
        pass


def test_lock_can_be_taken_again_when_it_was_let_go(tmp_path: Path) -> None:
    for _ in range(2):
        with hold(tmp_path):
            pass


def test_two_folders_are_held_at_once(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with hold(tmp_path / "one"), hold(tmp_path / "two"), pytest.raises(StackError), hold(tmp_path / "one"):
        pass
