"""When a whole stack says that it is ready."""

from pathlib import Path

from prometheus_client import start_http_server

from deploy.local.process import free_port
from deploy.local.stack import Stack, _at_work
from deploy.settings import Settings
from pipelines import metrics


def test_stack_is_ready_only_when_each_of_its_processes_says_so(tmp_path: Path) -> None:
    stack = Stack(Settings(data=tmp_path, port=0))
    assert {name for name, service in stack.supervisor._services.items() if service.ready is None} == set()


def test_process_is_at_work_only_when_it_plays_all_of_its_roles() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/metrics"
    assert not _at_work(url, ["dataflow"], 0)
    server, thread = start_http_server(port, "127.0.0.1")
    try:
        metrics.ROLE_UP.labels("dataflow").set(1)
        assert _at_work(url, ["dataflow"], 0)
        assert not _at_work(url, ["dataflow", "keeper"], 0)
        metrics.ROLE_UP.labels("dataflow").set(0)
        assert not _at_work(url, ["dataflow"], 0)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
