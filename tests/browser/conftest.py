"""A real stack and a real Chromium, one of each for all tests; a page of its own for each."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from deploy.cli.test import find_chromium
from tests.deploy.cli.stacks import Up, open_folder, up

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
PATIENCE_SECONDS = 15

Open = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a browser."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Run a Chromium; skip without one."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium on this machine: apt install chromium")
    expect.set_options(timeout=PATIENCE_SECONDS * 1_000)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture(scope="session")
def stack(browser: Browser) -> Iterator[Up]:
    """Run a stack; at the end it must stop well and leave no process."""
    with open_folder() as folder, up(folder) as made:
        yield made
        assert made.stop() < 10


@pytest.fixture
def open_page(browser: Browser, stack: Up) -> Iterator[Open]:
    """Give a function that opens the link of ``up`` as a new visitor; whatever the page complains of fails the test.

    ``may_say`` is a pattern of complaints that are part of the test.
    """
    complaints: list[str] = []
    tolerated: list[str] = []
    contexts: list[BrowserContext] = []

    def hear(said: ConsoleMessage) -> None:
        if said.type in {"error", "warning"}:
            complaints.append(said.text)

    def open_as(*, may_say: str | None = None, link: str = stack.link, **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_SECONDS * 1_000)
        page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
        tolerated.extend([may_say] if may_say else [])
        page.goto(link)
        return page

    yield open_as
    for context in contexts:
        context.close()
    assert [said for said in complaints if not any(re.search(pattern, said) for pattern in tolerated)] == []
