"""Every page by the keyboard alone, and colours that can be read."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.judges.service import Service

from .conftest import sized
from .test_hostile import answered_with
from .test_pages import PAGES

pytestmark = pytest.mark.timeout(600)
STYLES = Path(__file__).parents[2] / "web/src/styles"
# More than any page here has.
MOST = 150
# What has the keyboard: where it stands in the page, and whether its mark can be seen there.
HELD = """() => {
  const held = document.activeElement;
  if (!held || held === document.body) return null;
  const box = held.getBoundingClientRect();
  const style = getComputedStyle(held);
  let opacity = 1;
  for (let at = held; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
  const middle = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  return {
    name: held.outerHTML.slice(0, 120),
    place: [...document.querySelectorAll("*")].indexOf(held),
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    shown: opacity > 0.9 && box.width > 1 && Boolean(middle)
      && (held.contains(middle) || middle.contains(held)),
  };
}"""


def held(page: Page) -> dict[str, Any] | None:
    made: dict[str, Any] | None = page.evaluate(HELD)
    return made


def has_keys(place: Locator) -> None:
    expect(place).to_be_focused()


@pytest.fixture
def phone(browser: Browser, service: Service) -> Iterator[Page]:
    with sized(browser, service.url, 390, 844) as context:
        yield context.new_page()


@pytest.fixture
def paper(service: Service) -> Iterator[str]:
    """Three documents; the name of the one in the middle."""
    names = ["anna.txt", "berta.txt", "clara.txt"]
    made = []
    for name in names:
        added = service.http.post("/documents", files={"file": (name, f"By {name}.".encode())})
        made.append(added.raise_for_status().json()["documents"][0]["id"])

    def read() -> bool:
        jobs = service.http.get("/jobs").json()["jobs"]
        return all(job["state"] == "done" for job in jobs if job["document"] in made)

    service.eventually(read)
    yield names[1]
    for id in made:
        service.http.delete(f"/documents/{id}")


@pytest.mark.parametrize("size", [(1280, 860), (390, 844)])
@pytest.mark.parametrize("name", PAGES)
def test_tab_goes_through_a_page_in_its_order_and_always_shows_where_it_is(
    browser: Browser, service: Service, name: str, size: tuple[int, int]
) -> None:
    with sized(browser, service.url, *size, reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto(f"/#/{name}")
        expect(page.get_by_role("main").get_by_role("heading").first).to_be_visible()
        steps = []
        for _ in range(MOST):
            page.keyboard.press("Tab")
            at = held(page)
            if at is None or (steps and at["place"] <= steps[0]["place"]):
                break  # round
            steps.append(at)
        else:
            pytest.fail("Tab does not come to an end")
        assert len(steps) >= 10
        assert [at["name"] for at in steps if not (at["outlined"] and at["shown"])] == []
        assert [b["name"] for a, b in pairwise(steps) if b["place"] < a["place"]] == []


def test_the_first_key_leads_past_the_menu(page: Page) -> None:
    page.goto("/#/live")
    expect(page.get_by_label("pilot", exact=True)).to_be_visible()
    page.keyboard.press("Tab")
    has_keys(page.get_by_role("link", name="Skip to content"))
    page.keyboard.press("Enter")
    has_keys(page.get_by_role("main"))
    page.keyboard.press("Tab")
    assert page.get_by_role("main").locator(":focus").count() == 1


def test_a_dialog_keeps_the_keyboard_and_gives_it_back(page: Page, paper: str) -> None:
    page.goto("/#/documents")
    opener = page.get_by_role("button", name=f"Show: {paper}")
    opener.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"By {paper}.")
    for _ in range(6):
        page.keyboard.press("Tab")
        # Between its last and its first the browser's own frame has it.
        assert page.evaluate("document.activeElement.closest('dialog, body').tagName") in (
            "DIALOG",
            "BODY",
        )
        outside = page.evaluate(
            "document.activeElement !== document.body && !document.activeElement.closest('dialog')"
        )
        assert not outside
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    has_keys(opener)
    page.goto("/#/models")
    opener = page.get_by_role("button", name="Log", exact=True).first
    opener.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("log")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    has_keys(opener)


def test_what_is_deleted_hands_the_keyboard_to_what_comes_next(page: Page, paper: str) -> None:
    page.goto("/#/documents")
    page.get_by_role("button", name=f"Delete: {paper}").focus()
    page.keyboard.press("Enter")
    sure = page.get_by_role("button", name=f"Really delete?: {paper}")
    has_keys(sure)
    page.keyboard.press("Escape")
    has_keys(page.get_by_role("button", name=f"Delete: {paper}"))
    page.keyboard.press("Enter")
    has_keys(sure)
    page.keyboard.press("Enter")
    expect(page.get_by_role("cell", name=paper)).to_have_count(0)
    table = page.get_by_role("table")
    expect(table.locator(":focus")).to_have_count(1)
    # And what it comes to is not deleted by the next key.
    assert "Really" not in (table.locator(":focus").get_attribute("aria-label") or "")


def test_a_conversation_is_renamed_or_left_as_it_is(page: Page, service: Service) -> None:
    made = service.http.post("/sessions", json={"title": "By keys alone"}).json()
    page.goto("/")
    row = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="By keys"))
    row.get_by_role("button", name="Rename").focus()
    page.keyboard.press("Enter")
    box = page.get_by_role("textbox", name="Rename")
    has_keys(box)
    box.fill("Not this")
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)
    expect(row.locator(":focus")).to_have_count(1)
    row.get_by_role("button", name="Rename").focus()
    page.keyboard.press("Enter")
    box.fill("By keys, and renamed")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="By keys, and renamed")).to_be_visible()
    expect(row.locator(":focus")).to_have_count(1)
    titles = [one["title"] for one in service.http.get("/sessions").json()["sessions"]]
    assert "Not this" not in titles
    service.http.delete(f"/sessions/{made['id']}")


def test_sampling_is_opened_set_and_closed(page: Page) -> None:
    page.goto("/")
    button = page.get_by_role("button", name="Sampling")
    button.focus()
    page.keyboard.press("Enter")
    has_keys(page.get_by_label("temperature"))
    page.keyboard.type("0")
    page.keyboard.press("Escape")
    expect(page.get_by_label("temperature")).to_have_count(0)
    has_keys(button)


def test_a_message_is_sent_by_its_button_and_the_next_can_be_written(page: Page) -> None:
    page.goto("/")
    answered_with(page, "Here it is.")
    box = page.get_by_label("Message", exact=True)
    box.fill("Hello")
    page.get_by_role("button", name="Send").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("article", name="Model")).to_contain_text("Here it is.")
    has_keys(box)


def test_the_list_over_a_conversation_is_left_by_escape(phone: Page) -> None:
    phone.goto("/")
    menu = phone.get_by_role("button", name="Conversations", exact=True)
    menu.focus()
    phone.keyboard.press("Enter")
    search = phone.get_by_role("searchbox")
    expect(search).to_be_visible()
    search.focus()
    phone.keyboard.press("Escape")
    expect(search).to_have_count(0)
    has_keys(menu)


# --- colours -------------------------------------------------------------------------------------

# WCAG 2, AA: 4.5 for text; 3 for the mark around what has the keyboard.
TEXT, MARK = 4.5, 3.0
GROUNDS = ("ground", "card", "raised", "tint")


def colours() -> dict[str, tuple[str, str]]:
    css = (STYLES / "base.css").read_text(encoding="utf-8")
    return {n: (a, b) for n, a, b in re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", css)}


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_text_can_be_read_on_every_ground(theme: int) -> None:
    of = {name: pair[theme] for name, pair in colours().items()}
    pairs = [(text, ground) for text in ("text", "soft", "accent") for ground in GROUNDS]
    pairs += [(tone, ground) for tone in ("good", "warn", "bad") for ground in ("ground", "card")]
    pairs += [("on-accent", "accent"), ("text", "mark")]
    made = {pair: round(contrast(of[pair[0]], of[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in made.items() if ratio < TEXT} == {}
    marks = {ground: contrast(of["accent"], of[ground]) for ground in GROUNDS}
    assert {ground: ratio for ground, ratio in marks.items() if ratio < MARK} == {}
