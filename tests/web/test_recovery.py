"""A service that goes away and comes back under an open page, and lists that are long."""

import sqlite3
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.desk.service import Service as Restarted
from tests.fakes.hub import FakeHub
from tests.judges.service import Service
from tests.ports import free_port

from .conftest import sized, turn

pytestmark = pytest.mark.timeout(600)
DOCUMENTS = 5_000
# At the rate below, longer than anyone waits.
WEIGHTS = 60_000_000
# As a page does that has just been loaded; it has been told when this returns.
COMES_LATER = """
() => new Promise((told) => {
  const others = new BroadcastChannel("mlxd /events");
  others.onmessage = ({ data }) => data.is === "lost" && told();
  others.postMessage({ is: "new" });
})
"""


def test_a_page_says_that_the_service_is_gone_and_goes_on_when_it_is_back(
    browser: Browser, tmp_path: Path
) -> None:
    port = free_port()
    service = Restarted(tmp_path, "--port", str(port))
    with sized(browser, f"http://127.0.0.1:{port}", 1280, 860) as context:
        page = context.new_page()
        page.goto("/#/live")
        card = page.get_by_label("pilot", exact=True)
        expect(card.get_by_text("ready", exact=True)).to_be_visible()
        documents = context.new_page()
        documents.goto("/#/documents")
        expect(documents.get_by_text("No documents yet")).to_be_visible()
        proof = context.new_page()
        proof.goto("/#/doctor")
        assert service.end() == 0
        for one in (page, documents):
            expect(one.get_by_text("The connection to the service was lost")).to_be_visible()
        # What is asked for meanwhile says why it can't be had.
        search = documents.get_by_role("region", name="Search the documents")
        search.get_by_role("searchbox").fill("fox")
        documents.keyboard.press("Enter")
        expect(search.get_by_role("alert")).to_contain_text("does not answer")
        # Another page that hears of it later does not make this one ask again for what it shows.
        proof.evaluate(COMES_LATER)
        expect(documents.get_by_role("alert")).to_have_count(1)
        expect(documents.get_by_text("No documents yet")).to_be_visible()
        # A page that was never opened is shown, or says that it can't be.
        proof.get_by_role("link", name="Proof").click()
        expect(proof.get_by_role("alert").first).to_be_visible()
        service.start()
        service.add(("fox.txt", b"The quick brown fox."))
        for one in (page, documents):
            expect(one.get_by_text("The connection to the service was lost")).to_have_count(0)
        expect(card.get_by_text("ready", exact=True)).to_be_visible()
        expect(documents.get_by_role("button", name="Show: fox.txt")).to_be_visible()
        expect(proof.get_by_role("button", name="Run", exact=True)).to_be_visible()
    assert service.end() == 0


def test_a_model_is_pulled_with_its_progress_in_view(
    page: Page, service: Service, hub: FakeHub
) -> None:
    name = "some-org/small-one"
    header = b'{"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (WEIGHTS, WEIGHTS)
    hub.add(
        name,
        {
            "config.json": b'{"model_type": "qwen3"}',
            "tokenizer.json": b"{}",
            "model.safetensors": len(header).to_bytes(8, "little") + header + bytes(WEIGHTS),
        },
    )
    hub.switches.rate = 400_000
    page.goto("/#/models")
    shelf = page.get_by_label("Catalogue", exact=True)
    shelf.get_by_role("searchbox").fill(name)
    shelf.get_by_role("button", name=f"Download: {name}").click()
    bar = shelf.get_by_role("progressbar")
    expect(bar).to_be_visible()
    expect(shelf.get_by_role("status")).to_contain_text("downloading")
    expect(bar).not_to_have_attribute("aria-valuenow", "0")
    # Left and come back to: the service went on with it.
    page.get_by_role("link", name="Live").click()
    page.get_by_role("link", name="Models").click()
    shelf.get_by_role("searchbox").fill(name)
    expect(bar).to_be_visible()
    shelf.get_by_role("button", name="Stop the download").click()
    expect(shelf.get_by_text("what has come is kept")).to_be_visible()
    hub.switches.rate = None
    shelf.get_by_role("button", name=f"Download: {name}").click()
    expect(shelf.get_by_text("on disk", exact=True)).to_be_visible()
    assert hub.fetched("model.safetensors")[-1].range
    # It is to be had by applications from now on.
    choice = page.get_by_label("code", exact=True).get_by_role("option", name=name)
    expect(choice).to_be_attached()
    shelf.get_by_role("button", name=f"Delete: {name}").click()
    shelf.get_by_role("button", name=f"Really delete?: {name}").click()
    expect(shelf.get_by_role("button", name=f"Download: {name}")).to_be_visible()


def test_a_pull_that_can_not_be_says_why(page: Page) -> None:
    page.goto("/#/models")
    shelf = page.get_by_label("Catalogue", exact=True)
    shelf.get_by_role("searchbox").fill("no-org/no-model")
    shelf.get_by_role("button", name="Download: no-org/no-model").click()
    expect(shelf.locator(".fault")).to_contain_text("no-org/no-model")


def test_five_thousand_documents_are_a_list_that_can_be_used(
    browser: Browser, tmp_path: Path
) -> None:
    service = Restarted(tmp_path, MLXD_DOCUMENTS_TAGS="off")
    service.indexed(("first.txt", b"The quick brown fox."))
    rows = ((f"d{n:05}", f"paper {n:05}.txt", time.time() + n) for n in range(DOCUMENTS))
    with sqlite3.connect(service.data / "documents" / "documents.db", timeout=30) as database:
        database.executemany(
            "INSERT INTO mlxd_documents (id, name, type, bytes, paged, added, indexed)"
            " VALUES (?, ?, 'text', 1000, 0, ?, 1)",
            rows,
        )
    database.close()
    url = str(service.http.base_url)
    with sized(browser, url, 1280, 860) as context:
        page = context.new_page()
        page.goto("/#/documents")
        expect(page.get_by_role("button", name="Show: paper 04999.txt")).to_be_visible()
        assert page.get_by_role("row").count() <= 101
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_text("101 to 200")).to_be_visible()
        expect(page.get_by_role("button", name="Show: paper 04899.txt")).to_be_visible()
        page.get_by_role("button", name="Previous").click()
        expect(page.get_by_text("1 to 100")).to_be_visible()
        page.get_by_label("Search the documents").last.fill("fox")
        page.keyboard.press("Enter")
        expect(page.locator("mark").first).to_have_text("fox")
    assert service.end() == 0


def test_chat_needs_no_mouse(page: Page) -> None:
    """From the address alone: to the message, through an answer and its tools, to a new one."""
    page.goto("/")
    expect(page.get_by_label("Message", exact=True)).to_be_visible()
    reach(page, "Skip to content")
    page.keyboard.press("Enter")
    reach(page, "Message")
    page.keyboard.type("Reply with exactly: KEYS")
    with turn(page):
        page.keyboard.press("Enter")
    answer = page.get_by_role("article", name="Model")
    expect(answer).to_contain_text("KEYS")
    reach(page, "Answer again", back=True)
    with turn(page):
        page.keyboard.press("Enter")
    expect(answer).to_contain_text("KEYS")
    reach(page, "Rename: Reply with exactly: KEYS", back=True)
    page.keyboard.press("Enter")
    page.keyboard.press("Control+A")
    page.keyboard.type("By keys")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="By keys")).to_be_visible()
    reach(page, "Delete: By keys")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Delete: By keys")).to_be_attached()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="By keys")).to_have_count(0)


REACHED = """
document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent
"""


def reach(page: Page, name: str, back: bool = False) -> None:
    """By tabulator; no further than the page has things to reach, twice."""
    for _ in range(120):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        said = page.evaluate(REACHED)
        if said == name:
            return
    raise AssertionError(f"{name} is not reached by keys")
