"""Strings that were made to break out of a page, live and after a reload: shown as they are, never run."""

import json

import pytest
from playwright.sync_api import Dialog, Page

from tests.browser.conftest import Open
from tests.deploy.cli.stacks import SHARED, Up, until

XSS = SHARED / "payloads/xss/payloads.json"
AUTHOR = "mallory"

TAGS = """() => [...new Set([...document.querySelectorAll("#cards *, #messages *")].map((each) => each.tagName))]"""
FOREIGN = """(known) => [...document.querySelectorAll("#cards *, #messages *")]
  .filter((each) => !known.includes(each.tagName) || each.getAttributeNames().some((name) => name.startsWith("on")))
  .map((each) => each.outerHTML)"""
"""Elements that no harmless card has, and those with a handler in their markup."""


def sent(stack: Up, lines: list[dict[str, str]], *, stored: int) -> None:
    assert stack.client.post("/api/messages", json=lines).status_code == 202
    until(lambda: stack.count("xss") == stored, what="the messages")


def cards(page: Page, words: str) -> int:
    return page.locator("#cards > li", has_text=words).count()


@pytest.mark.skipif(not XSS.exists(), reason="the real payloads are not here: ../shared/payloads/xss")
def test_strings_made_for_breaking_out_are_shown_and_never_run(open_page: Open, stack: Up) -> None:
    dialogs: list[Dialog] = []

    def asked(dialog: Dialog) -> None:
        dialogs.append(dialog)
        dialog.dismiss()

    page = open_page(viewport={"width": 1280, "height": 800})
    page.on("dialog", asked)
    lines = [
        {"source": "xss", "external_id": str(number), "author": AUTHOR, "text": f"please fix the page: {text}"}
        for number, text in enumerate(json.loads(XSS.read_bytes()))
    ]
    sent(stack, [lines[0] | {"external_id": "harmless", "author": "ann", "text": "please fix the page"}], stored=1)
    until(lambda: cards(page, "ann"), what="a harmless card")
    known = page.evaluate(TAGS)
    for start in range(0, len(lines), 20):
        part = lines[start : start + 20]
        sent(stack, part, stored=1 + start + len(part))
        until(lambda: cards(page, AUTHOR), what="a card that came live")
        assert page.evaluate(FOREIGN, known) == []
    page.reload()
    until(lambda: cards(page, AUTHOR) > 10, what="the cards")
    assert page.evaluate(FOREIGN, known) == []
    assert dialogs == []
    page.locator("#cards > li").first.evaluate("(card) => card.append(document.createElement('svg'))")
    assert len(page.evaluate(FOREIGN, known)) == 1  # what has broken out would have been found
