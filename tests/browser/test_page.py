"""The page in a real browser: it follows what happens, hurts nobody's eyes, and goes on after a break."""

import os
import signal
from itertools import count
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.deploy.cli.stacks import Up, processes_of, until

WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

ids = map(str, count())

CONTRAST = """([selector]) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (colors) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return [...document.querySelectorAll(selector)].filter((element) => element.checkVisibility()).map((element) => {
    const behind = [];
    for (let at = element; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
    const back = over(["white", ...behind]);
    const front = over(["white", ...behind, getComputedStyle(element).color]);
    const [high, low] = [light(back), light(front)].sort((a, b) => b - a);
    return [element.tagName + "." + element.className, (high + 0.05) / (low + 0.05)];
  });
}"""


def post(stack: Up, text: str, **more: Any) -> str:
    """Send a message through the api; return its id."""
    body = {"source": "talk", "external_id": next(ids), "author": "Ann", "text": text} | more
    answer = stack.client.post("/api/messages", json=body)
    assert answer.status_code == 202, answer.text
    return str(body["external_id"])


def card(page: Page, words: str) -> Locator:
    """Find the card of the task whose evidence holds some words."""
    return page.locator("#cards > li", has=page.locator("blockquote", has_text=words))


def connected(page: Page) -> None:
    expect(page.locator("#live-text")).to_have_text("connected")


def figure(page: Page, name: str) -> int:
    return int((page.locator(f"#count-{name}").inner_text()).replace(",", "").rstrip("%"))


def loaded(page: Page, stack: Up) -> None:
    """Wait until the page is connected and shows the figures of the api."""
    connected(page)
    until(
        lambda: page.locator("#count-messages").inner_text() == f"{stack.api('stats')['messages']:,}",
        what="the figures",
    )


def test_link_signs_in_and_hides_the_token(open_page: Open, stack: Up) -> None:
    page = open_page()
    connected(page)
    assert page.url == f"{stack.url}/"
    page.reload()
    connected(page)
    expect(page.locator("#signin")).to_be_hidden()


def test_visitor_without_the_token_is_asked_for_it(open_page: Open, stack: Up) -> None:
    page = open_page(link=stack.url, may_say="401")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_label("Access token")).to_be_focused()
    expect(page.locator("#main")).to_be_hidden()
    page.keyboard.type(stack.token)
    page.keyboard.press("Enter")
    connected(page)


def test_task_arrives_live_with_its_evidence_and_the_figures_move(open_page: Open, stack: Up) -> None:
    page = open_page(viewport=WIDE)
    loaded(page, stack)
    page.evaluate("window.stays = true")
    before = {name: figure(page, name) for name in ("messages", "tasks")}
    post(stack, "Bob, please fix the export by Friday, it crashes on an empty list", sent_at="2026-11-19T10:00:00Z")
    post(stack, "good morning everybody")
    made = card(page, "it crashes on an empty list")
    expect(made).to_be_visible()
    expect(made.locator(".chip")).to_have_text("bug")
    expect(made.locator("li.due")).to_contain_text("Fri 20 Nov")
    expect(made.locator("li.who")).to_contain_text("Bob")
    expect(made.locator("figcaption")).to_contain_text("Ann")
    assert "crashes" in made.locator("mark").all_inner_texts()
    expect(page.locator("#messages > li").first).to_contain_text("good morning everybody")
    expect(page.locator("#messages > li").nth(1).get_by_role("link")).to_have_text(
        made.locator(".number").inner_text().replace("#", "task #")
    )
    expect(page.locator("#count-messages")).to_have_text(f"{before['messages'] + 2}")
    expect(page.locator("#count-tasks")).to_have_text(f"{before['tasks'] + 1}")
    expect(page.locator("#announce")).to_contain_text("New task")
    assert page.evaluate("window.stays") is True


def test_edit_changes_the_card_in_its_place(open_page: Open, stack: Up) -> None:
    page = open_page()
    connected(page)
    talk = post(stack, "please renew the certificate of the old shop")
    made = card(page, "the certificate of the old shop")
    name = made.get_attribute("id")
    post(stack, "please renew the certificate of the new shop", external_id=talk, kind="edit", revision=2)
    expect(card(page, "the certificate of the new shop")).to_have_attribute("id", str(name))
    expect(made).to_have_count(0)


def test_message_that_a_person_types_becomes_a_task(open_page: Open, stack: Up) -> None:
    page = open_page(viewport=WIDE)
    connected(page)
    page.get_by_label("Write a message to try it").fill("the printer crashes, please fix it")
    page.get_by_role("button", name="Send").click()
    expect(card(page, "the printer crashes")).to_be_visible()
    expect(page.get_by_label("Write a message to try it")).to_have_value("")


def test_review_is_stored(open_page: Open, stack: Up) -> None:
    page = open_page()
    connected(page)
    post(stack, "the mixer crashes, please fix it")
    made = card(page, "the mixer crashes")
    made.get_by_role("button", name="Accept").click()
    expect(made.locator(".state")).to_have_text("accepted")
    name = str(made.get_attribute("id")).removeprefix("task-")
    assert stack.api(f"tasks/{name}")["review"] == "accepted"


def test_markup_in_a_message_is_shown_and_never_run(open_page: Open, stack: Up) -> None:
    page = open_page(viewport=WIDE)
    connected(page)
    evil = 'please fix <img src=x onerror="window.owned=1"><script>window.owned=1</script><b>this</b> "quote\''
    post(stack, evil, author="<img src=x onerror=window.owned=1>", conversation="<script>window.owned=1</script>")
    made = card(page, "<script>window.owned=1</script>")
    expect(made.locator("blockquote")).to_have_text(evil)
    expect(made.locator("figcaption")).to_contain_text("<img src=x onerror=window.owned=1>")
    expect(page.locator("#messages > li").first).to_contain_text("<b>this</b>")
    page.reload()
    expect(made.locator("blockquote")).to_have_text(evil)
    assert page.locator("#main script, #main img, #main blockquote b").count() == 0
    assert page.evaluate("window.owned") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_text_is_readable(open_page: Open, stack: Up, scheme: Any, size: Any) -> None:
    page = open_page(color_scheme=scheme, viewport=size, reduced_motion="reduce")
    connected(page)
    post(stack, f"Bob, it crashes in {scheme} at {size['width']}, please fix it by Friday. URGENT!")
    post(stack, "good morning")
    expect(card(page, f"it crashes in {scheme} at {size['width']}")).to_be_visible()
    [paper] = page.evaluate(CONTRAST, ["body"])
    assert paper[1] >= 7
    places = "h1, h2, h3, dt, dd, blockquote, mark, figcaption *, .head *, .reason *, .chip, .text, button, code, time"
    found = page.evaluate(CONTRAST, [places])
    assert len(found) > 20
    assert {name: round(ratio, 2) for name, ratio in found if ratio < 4.5 and name != "BUTTON.plain"} == {}
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert is_dark == (scheme == "dark")
    lightness = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (max(lightness) < 80) == is_dark


def test_narrow_page_fits_and_shows_one_view_at_a_time(open_page: Open, stack: Up) -> None:
    page = open_page(viewport=PHONE)
    connected(page)
    post(
        stack,
        f"it crashes, please fix it: https://example.com/{'verylongword' * 12}",
        conversation="c" * 80,
        author="d" * 80,
    )
    expect(card(page, "verylongword")).to_be_visible()
    expect(page.locator("#messages")).to_be_hidden()
    for view in ("Tasks", "Messages"):
        page.get_by_role("button", name=view, exact=True).click()
        width, inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert (view, width) == (view, inner)
    expect(page.locator("#messages > li").first).to_be_visible()
    expect(page.locator("#cards")).to_be_hidden()
    page.locator("#messages > li").first.get_by_role("link").click()
    expect(card(page, "verylongword")).to_be_focused()


def test_everything_is_reached_with_the_keyboard_and_shows_it(open_page: Open, stack: Up) -> None:
    post(stack, "the keyboard crashes, please fix it")
    page = open_page(viewport=WIDE)
    expect(card(page, "the keyboard crashes")).to_be_visible()
    reached = []
    for _ in range(9):
        page.keyboard.press("Tab")
        name, outline, above = page.evaluate(
            "(({activeElement: at}) => [(at.textContent || at.getAttribute('aria-label') || at.id).trim(),"
            " getComputedStyle(at).outlineStyle, at.getBoundingClientRect().top >= 0])(document)"
        )
        assert (name, outline != "none", above) == (name, True, True)
        reached.append(name)
    assert reached[0] == "Skip to the tasks"
    assert {"Switch between light and dark", "Accept", "Not a task", "Done"} <= set(reached)
    accept = page.get_by_role("button", name="Accept").first
    accept.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#cards > li").first.locator(".state")).to_have_text("accepted")
    assert page.evaluate("document.activeElement !== document.body")


def test_theme_that_a_person_chose_stays(open_page: Open) -> None:
    page = open_page(color_scheme="light")
    connected(page)
    page.get_by_role("button", name="Switch between light and dark").click()
    page.reload()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_page_goes_on_after_the_api_was_killed_and_shows_what_it_missed(open_page: Open, stack: Up) -> None:
    page = open_page(may_say="WebSocket|ERR_CONNECTION|Failed to load resource")
    loaded(page, stack)
    page.evaluate("window.stays = true")
    before = figure(page, "messages")
    [api] = [pid for pid, line in processes_of(stack.folder).items() if "deploy.roles api" in line]
    page.context.set_offline(True)
    os.kill(api, signal.SIGKILL)
    expect(page.locator("#live-text")).to_have_text("offline")
    until(lambda: _answers(stack), what="the api, started again")
    post(stack, "the well crashes, please fix it")
    until(lambda: stack.api("stats")["messages"] == before + 1, what="the message")
    expect(card(page, "the well crashes")).to_have_count(0)
    page.context.set_offline(False)
    connected(page)
    expect(card(page, "the well crashes")).to_be_visible()
    expect(page.locator("#count-messages")).to_have_text(str(before + 1))
    post(stack, "the pump crashes, please fix it")
    expect(card(page, "the pump crashes")).to_be_visible()
    assert page.evaluate("window.stays") is True


def _answers(stack: Up) -> bool:
    try:
        return stack.client.get("/api/health/ready").is_success
    except httpx.HTTPError:
        return False
