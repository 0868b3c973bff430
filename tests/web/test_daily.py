"""What comes across in a day: many tabs, answers that fail, files let go anywhere, tags."""

import uuid
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.desk.papers import Paper
from tests.judges.service import Service

from .conftest import sized, turn
from .test_chat import answers, choose, say
from .test_hostile import answered_with

pytestmark = pytest.mark.timeout(600)

# Lets a picture go over an element, as from the desktop.
DROP = """
(place, bytes) => {
  const held = new DataTransfer();
  held.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
  const how = { dataTransfer: held, bubbles: true, cancelable: true };
  for (const name of ["dragover", "drop"]) place.dispatchEvent(new DragEvent(name, how));
}
"""
# Of a list's numbers, in letters.
ROOM = """
(list) => parseFloat(getComputedStyle(list).paddingInlineStart)
  / parseFloat(getComputedStyle(list).fontSize)
"""
SIDEWAYS = "document.documentElement.scrollWidth - innerWidth"


def test_more_tabs_than_a_browser_has_connections(context: BrowserContext) -> None:
    for _ in range(8):
        page = context.new_page()
        page.goto("/#/documents")
        expect(page.get_by_role("heading", name="Documents")).to_be_visible()
        expect(page.get_by_text("No documents yet").or_(page.get_by_role("table"))).to_be_visible()
    page.goto("/#/live")
    expect(page.get_by_role("heading", name="pilot")).to_be_visible()


def test_another_tab_goes_on_when_the_one_that_reads_is_closed(
    context: BrowserContext, service: Service
) -> None:
    first, second = context.new_page(), context.new_page()
    for page in (first, second):
        page.goto("/#/live")
        expect(page.get_by_role("heading", name="pilot")).to_be_visible()
    first.close()
    before = service.engines()["pilot"]["tokens_out"]
    service.chat("pilot").raise_for_status()
    service.eventually(lambda: service.engines()["pilot"]["tokens_out"] > before)
    service.released()
    told = f"{service.engines()['pilot']['tokens_out']:,}"
    expect(second.get_by_label("pilot", exact=True).get_by_text(f"/ {told}")).to_be_visible()


def test_why_an_answer_failed_is_still_there_later(page: Page, service: Service) -> None:
    id = uuid.uuid4().hex
    parts = [{"type": "text", "text": "Put these in order"}]
    body = {
        "id": id,
        "trigger": "submit-message",
        "model": "reranker",
        "messages": [{"id": "m1", "role": "user", "parts": parts}],
    }
    assert "error" in service.post(body, "/chat/agent-stream").text
    page.goto(f"/#/chat/{id}")
    answer = page.get_by_role("article", name="Model")
    expect(answer.get_by_role("alert")).to_contain_text("No model is assigned to reranker.")
    expect(answer.get_by_role("button")).to_have_count(1)  # answer again
    answer.get_by_role("link", name="Assign one").click()
    expect(page.get_by_role("heading", name="Models")).to_be_visible()


def test_an_answer_that_was_stopped_says_so_and_can_be_asked_for_again(
    page: Page, service: Service
) -> None:
    page.goto("/")
    choose(page, "endless")
    say(page, "Go on and on")
    service.eventually(lambda: service.engines()["endless"]["running"] == 1)
    page.get_by_role("button", name="Stop").click()
    told = page.get_by_text("The answer was ended").or_(page.get_by_text("It was not answered."))
    expect(told).to_be_visible()
    page.reload()
    expect(told).to_be_visible()
    again = page.get_by_role("button", name="Answer again")
    again.or_(page.get_by_role("button", name="Try again")).click()
    page.get_by_role("button", name="Stop").click()
    expect(told).to_be_visible()


def test_a_number_alone_is_an_answer_and_a_large_one_is_not_cut_off(page: Page) -> None:
    answered_with(page, "42.")
    page.goto("/")
    with turn(page):
        say(page, "How many?")
    expect(answers(page).get_by_text("42.", exact=True).last).to_be_visible()
    expect(answers(page).get_by_role("list")).to_have_count(0)
    page.unroute_all()
    answered_with(page, "1984. It was a year")
    page.goto("/#/chat/of-a-year")
    expect(answers(page)).to_have_count(0)
    with turn(page):
        say(page, "Which one?")
    assert answers(page).get_by_role("list").last.evaluate(ROOM) > 2.5


def test_a_picture_may_be_let_go_anywhere_over_the_conversation(page: Page) -> None:
    made = BytesIO()
    Image.new("RGB", (40, 20), "red").save(made, "PNG")
    page.goto("/")
    place = page.get_by_role("log", name="Chat")
    place.evaluate(DROP, list(made.getvalue()))
    expect(page.get_by_role("img", name="dropped.png")).to_be_visible()
    page.goto("/#/proof")
    page.get_by_role("heading", name="Proof").evaluate(DROP, list(made.getvalue()))
    expect(page.get_by_role("heading", name="Proof")).to_be_visible()


def test_a_tag_is_renamed_and_joined_with_another(page: Page, service: Service) -> None:
    for name, tag in (("one.txt", "invoce"), ("two.txt", "invoice")):
        text = f"The {tag} of {name} is from May.".encode()
        file = {"file": (name, text)}
        service.http.post("/documents", files=file, data={"tag": tag}).raise_for_status()
    page.goto("/#/documents")
    tags = page.get_by_role("group", name="Tags")
    tags.get_by_role("button", name="invoce", exact=True).click()
    page.get_by_label("New name of invoce").fill("invoice")
    page.get_by_role("button", name="Merge").click()
    expect(tags.get_by_role("button", name="invoce", exact=True)).to_have_count(0)
    expect(tags.get_by_role("button", name="invoice", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    for name in ("one.txt", "two.txt"):
        expect(page.get_by_role("button", name=f"Show: {name}")).to_be_visible()


def test_pages_are_turned_with_the_keyboard_and_a_phone_is_wide_enough(
    browser: Browser, service: Service
) -> None:
    paper = Paper().text("The first page of Ostry.").page()
    paper.text("The second page of Ostry.")
    names = ("ostry.pdf", "o" * 200 + ".txt")
    for name, content in zip(names, (paper.bytes(), b"Long is the name."), strict=True):
        file = {"file": (name, content)}
        service.http.post("/documents", files=file, data={"tag": "t" * 60}).raise_for_status()
    with sized(browser, service.url, 390, 844) as context:
        page = context.new_page()
        service.eventually(lambda: _read(service, "ostry.pdf"))
        page.goto("/#/documents")
        for name in names:
            expect(page.get_by_role("button", name=f"Show: {name}")).to_be_visible()
        assert page.evaluate(SIDEWAYS) <= 0
        page.get_by_role("button", name="Show: ostry.pdf").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("img", name="page 1")).to_be_visible()
        page.keyboard.press("ArrowRight")
        expect(dialog.get_by_role("img", name="page 2")).to_be_visible()


def _read(service: Service, name: str) -> bool:
    listed = service.http.get("/documents").json()["documents"]
    return any(one["name"] == name and one["indexed"] for one in listed)
