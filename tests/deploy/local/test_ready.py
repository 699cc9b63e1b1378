"""When a whole stack says that it is ready."""

from pathlib import Path

from deploy.local.stack import Stack
from deploy.settings import Settings


def test_stack_is_ready_only_when_each_of_its_processes_says_so(tmp_path: Path) -> None:
    stack = Stack(Settings(data=tmp_path, port=0))
    assert {name for name, service in stack.supervisor._services.items() if service.ready is None} == set()
