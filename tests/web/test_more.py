"""Proof, the catalogue, logs and citations, as a person uses them."""

import json
import re

import pytest
from playwright.sync_api import Page, Route, expect
from tests.desk.papers import Paper
from tests.judges.service import Service

from .conftest import turn

pytestmark = pytest.mark.timeout(600)
# Both at once: a page that moves has moved for both.
PLACES = """
(dialog) => [".page-mark", "img"].map((name) => {
  const { x, y, width, height } = dialog.querySelector(name).getBoundingClientRect();
  return { x, y, width, height };
})
"""


def test_smoke_runs_from_the_page_and_its_report_opens(page: Page, service: Service) -> None:
    page.goto("/#/proof")
    page.get_by_role("combobox", name="Model").select_option("pilot")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("heading", name="Running pilot")).to_be_visible()
    expect(page.locator(".checks li").first).to_be_visible()
    expect(page.get_by_role("heading", name="Reports")).to_be_visible(timeout=300_000)
    page.get_by_role("button", name="Checks").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(re.compile("PASS 5/5")).first).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    with page.expect_popup() as popup:
        page.get_by_role("link", name="Open").first.click()
    report = popup.value
    expect(report.get_by_role("heading").first).to_be_visible()
    assert "/proof/reports/" in report.url
    made = service.http.get(report.url)
    policy = made.headers["content-security-policy"]
    assert policy.startswith("sandbox;")
    assert "script-src" not in policy


def test_a_run_is_stopped_and_says_so_and_two_reports_stand_side_by_side(
    page: Page, service: Service
) -> None:
    if not service.http.get("/proof").json()["reports"]:
        _run(service, {"suites": ["core"], "rounds": 1, "model": "pilot"})
    before = service.http.get("/proof").json()["reports"]
    page.goto("/#/proof")
    page.get_by_role("combobox", name="Model").select_option("pilot")
    page.get_by_role("combobox", name="What to run").select_option("all")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".checks li").first).to_be_visible()
    refused = service.http.post("/proof/run", json={})
    assert refused.status_code == 409
    page.get_by_role("button", name="Stop").click()
    boxes = page.get_by_role("checkbox")
    expect(boxes).to_have_count(len(before) + 1)
    newest = service.http.get("/proof").json()["reports"][0]
    assert newest["cut_short"]
    assert newest["verdict"] in ("ERROR", "FAIL")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Compare two", exact=True).click()
    expect(page.get_by_role("dialog").locator("tr.differs").first).to_be_visible()


def _run(service: Service, wanted: dict[str, object]) -> None:
    service.http.post("/proof/run", json=wanted).raise_for_status()
    service.eventually(lambda: bool(service.http.get("/proof").json()["reports"]), 300)


@pytest.mark.parametrize(
    "wanted",
    [
        {"suites": ["--command=sh"]},
        {"rounds": 0},
        {"rounds": 10**9},
        {"model": "a\nb"},
        {"model": 5},
        {"surprise": 1},
        [],
    ],
)
def test_what_is_no_run_is_refused(service: Service, wanted: object) -> None:
    made = service.http.post("/proof/run", json=wanted)
    assert made.status_code == 400, made.text
    for id in ("x", "20200101T000000-abcdef", "..%2f..%2fetc"):
        assert service.http.get(f"/proof/reports/{id}").status_code == 404


def test_a_log_is_followed(page: Page, service: Service) -> None:
    page.goto("/#/models")
    card = page.get_by_label("pilot", exact=True)
    card.get_by_role("button", name="Log").click()
    log = page.get_by_role("log", name="pilot")
    expect(log).to_contain_text("ready")
    written = service.http.get("/logs/pilot").json()["file"]
    with open(written, "a", encoding="utf-8") as file:
        file.write("<b>a line that was just written</b>\n")
    expect(log).to_contain_text("<b>a line that was just written</b>")


def test_a_log_is_only_ever_a_log(service: Service) -> None:
    assert "gateway" in service.http.get("/logs").json()["logs"]
    for name in ("..%2fmlxd.db", "%2fetc%2fpasswd", "nobody", "a%00b", "g" * 5000):
        assert service.http.get(f"/logs/{name}").status_code == 404
    assert len(service.http.get("/logs/gateway?lines=1").json()["lines"]) == 1
    for lines in ("-1", "x", "999999999999"):
        assert service.http.get(f"/logs/gateway?lines={lines}").status_code == 400


def test_the_catalogue_lists_what_is_here_and_what_is_to_be_had(page: Page) -> None:
    page.goto("/#/models")
    shelf = page.get_by_label("Catalogue", exact=True)
    expect(shelf.get_by_text("in the package")).to_be_visible()
    expect(shelf.get_by_text("qwen3-vl-4b", exact=True)).to_be_visible()
    shelf.get_by_role("searchbox").fill("embedding")
    expect(shelf.get_by_text("qwen3-vl-4b", exact=True)).to_have_count(0)
    shelf.get_by_role("searchbox").fill("some-org/some-model")
    expect(shelf.get_by_role("button", name="Download: some-org/some-model")).to_be_visible()


def test_pilot_is_not_removed(service: Service) -> None:
    refused = service.http.delete("/models/catalogue/pilot")
    assert refused.status_code == 409
    assert service.http.delete("/models/catalogue/nobody").status_code == 404


def test_a_pdf_is_uploaded_and_what_pilot_says_of_it_leads_to_its_page(page: Page) -> None:
    paper = Paper().text("The ferry to Quellmar leaves at nine.").page()
    paper.text("The harbour of Quellmar was dug in 1874.")
    page.goto("/#/documents")
    file = {"name": "quellmar.pdf", "mimeType": "application/pdf", "buffer": paper.bytes()}
    page.set_input_files("input[type=file]", files=[file])
    job = page.get_by_label("Jobs").get_by_role("listitem").filter(has_text="quellmar.pdf")
    expect(job.first.get_by_text("done")).to_be_visible()
    page.goto("/#/chat")
    page.get_by_role("button", name="Sampling").click()
    page.get_by_label("temperature").fill("0")
    box = page.get_by_label("Message", exact=True)
    box.fill("Please search the documents: harbour Quellmar")
    with turn(page):
        box.press("Enter")
    answer = page.get_by_role("article", name="Model")
    expect(answer.get_by_text("search_documents")).to_be_visible()
    answer.get_by_role("button", name="[1] quellmar.pdf, page 2").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("img", name="page 2")).to_be_visible()
    expect(dialog.locator(".page-mark")).to_be_visible()
    expect(dialog).to_contain_text("dug in 1874")
    page.keyboard.press("Escape")


@pytest.fixture
def cited(page: Page, service: Service) -> Page:
    """An answer as the agent's search makes it, about a document that is really there."""
    paper = Paper().text("The observatory of Zedrin counts forty domes.")
    file = {"file": ("zedrin.pdf", paper.bytes())}
    service.http.post("/documents", files=file).raise_for_status()
    query = {"query": "observatory Zedrin"}
    service.eventually(lambda: bool(service.http.post("/search", json=query).json()["results"]))
    found = service.http.post("/search", json=query).json()["results"][0]
    citation = {
        "n": 1,
        "chunk": found["parent"]["id"],
        "document": found["document"]["id"],
        "title": found["document"]["name"],
        "page": found["parent"]["page"],
        "box": found["parent"]["box"],
        "image": None,
        "snippet": found["snippet"],
    }
    parts = [
        {"type": "start", "messageId": "a1"},
        {"type": "data-citation", "id": "citation-1", "data": citation},
        {"type": "text-start", "id": "t"},
        {"type": "text-delta", "id": "t", "delta": "Forty [1], not [2]; `x[1]`."},
        {"type": "text-end", "id": "t"},
        {"type": "finish"},
    ]
    lines = [*(json.dumps(part) for part in parts), "[DONE]"]
    body = "".join(f"data: {line}\n\n" for line in lines)

    def answer(route: Route) -> None:
        route.fulfill(body=body, headers={"content-type": "text/event-stream"})

    page.route("**/chat/agent-stream", answer)
    return page


def test_a_citation_opens_the_page_with_the_passage_marked(cited: Page) -> None:
    cited.goto("/")
    box = cited.get_by_label("Message", exact=True)
    box.fill("How many?")
    with turn(cited):
        box.press("Enter")
    answer = cited.get_by_role("article", name="Model")
    expect(answer.get_by_role("link")).to_have_text(["[1]"])
    answer.get_by_role("link", name="[1]").click()
    dialog = cited.get_by_role("dialog")
    expect(dialog.get_by_role("img", name="page 1")).to_be_visible()
    mark = dialog.locator(".page-mark")
    expect(mark).to_be_visible()
    shown, whole = dialog.evaluate(PLACES)
    assert whole["x"] <= shown["x"]
    assert shown["x"] + shown["width"] <= whole["x"] + whole["width"]
    assert 0 < shown["height"] < whole["height"] / 4
    cited.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
