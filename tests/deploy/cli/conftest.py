"""One stack for all commands, stopped as a person stops it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.cli.stacks import Up, open_folder, up


@pytest.fixture(scope="session")
def house() -> Iterator[Up]:
    """Run a stack for the session; at the end it must stop well and leave no process."""
    with open_folder() as folder, up(folder) as made:
        yield made
        assert made.stop() < 10


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a data folder of the test's own."""
    with open_folder() as path:
        yield path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that run stacks."""
    for item in items:
        if {"house", "folder"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.stack)
