"""Ports that are given away before anyone listens on them."""

import socket

import pytest

from deploy.local import process
from deploy.local.process import StackError, free_port


def test_port_is_given_to_one_stack_only_though_nobody_listens_on_it_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    few = [free_port() for _ in range(3)]
    assert len(set(few)) == 3
    monkeypatch.setattr(process, "_PORTS", few)
    with pytest.raises(StackError, match="no free port"):
        free_port()


def test_server_may_listen_on_the_port_that_it_was_given() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as server, socket.create_connection(("127.0.0.1", port)):
        assert server.getsockname()[1] == port
