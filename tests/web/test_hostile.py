"""What models and documents say may be meant to hurt, or merely be too much of it."""

import json

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from tests.judges.service import Service

from .conftest import sized, turn

pytestmark = pytest.mark.timeout(600)

ROW = "| " + " | ".join(f"cell {n}" for n in range(60)) + " |\n"
ANSWERS = {
    "scripts": "<script>window.hurt=1</script>\n\n<img src=x onerror='window.hurt=1'>\n\n"
    "<iframe srcdoc='<script>parent.hurt=1</script>'></iframe>\n\n"
    "<style>*{display:none}</style>\n\n"
    "[go](javascript:window.hurt=1) [data](data:text/html,<script>1</script>)\n\n"
    "![picture](javascript:window.hurt=1) ![far](https://example.invalid/beacon.png)\n\n"
    "<https://example.invalid> <a href='javascript:window.hurt=1' onclick='window.hurt=1'>x</a>",
    "a wide table": ROW + "|" + "---|" * 60 + "\n" + ROW * 20,
    "an enormous table": ROW + "|" + "---|" * 60 + "\n" + ROW * 300,
    "from right to left": "مرحبا بالعالم، هذه إجابة طويلة. \u202e\u2066 abc \n\n- أولا\n- ثانيا\n\n"
    "שלום **עולם** `code`",
    "a word": "w" * 10_000 + "\n\n`" + "c" * 10_000 + "`\n\n# " + "h" * 10_000,
    "code": "```python\n" + "x = 1  # " + "y" * 2_000 + "\n" * 2 + "print(x)\n" * 4_000 + "```",
    "nesting": "> " * 400 + "deep\n\n" + "".join("  " * n + f"- {n}\n" for n in range(150)),
    "nesting without an end": ">" * 3_000 + " deep\n\n" + "- " * 800 + "x\n\nafter",
    "an open end": "```\nnever closed\n\n| a | b |\n\n**bold *both `code",
}


WIDER = """
[...document.querySelectorAll(".message-body")].map((one) => one.scrollWidth - one.clientWidth)
"""


def answered_with(page: Page, text: str) -> None:
    """An answer as the agent would send it."""
    tool = {"toolCallId": "c"}
    pieces = [text[n : n + 997] for n in range(0, len(text), 997)]
    parts = [
        {"type": "start", "messageId": "a1"},
        {"type": "start-step"},
        {"type": "reasoning-start", "id": "r"},
        {"type": "reasoning-delta", "id": "r", "delta": text[:500]},
        {"type": "reasoning-end", "id": "r"},
        {"type": "tool-input-available", **tool, "toolName": "<b>x</b>", "input": text[:500]},
        {"type": "tool-output-available", **tool, "output": {"<i>": text[:30_000]}},
        {"type": "text-start", "id": "t"},
        *({"type": "text-delta", "id": "t", "delta": piece} for piece in pieces),
        {"type": "text-end", "id": "t"},
        {"type": "finish-step"},
        {"type": "finish"},
    ]  # fmt: skip
    body = "".join(f"data: {line}\n\n" for line in [*map(json.dumps, parts), "[DONE]"])

    def answer(route: Route) -> None:
        route.fulfill(body=body, headers={"content-type": "text/event-stream"})

    page.route("**/chat/agent-stream", answer)


@pytest.mark.parametrize("width", [390, 1600])
@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_can_not_hurt_the_page(
    browser: Browser, service: Service, what: str, width: int
) -> None:
    with sized(browser, service.url, width, 900) as context:
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url))
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        answered_with(page, ANSWERS[what])
        page.goto("/")
        box = page.get_by_label("Message", exact=True)
        box.fill(ANSWERS[what][:3_000])
        with turn(page):
            box.press("Enter")
        answer = page.get_by_role("article", name="Model")
        expect(answer.locator(".prose").last).to_be_visible()
        for closed in answer.locator("summary").all():
            closed.click()
        assert page.evaluate("window.hurt") is None
        hurting = ".message :is(script, iframe, style, img, object, form, [onclick], [onerror])"
        assert page.locator(hurting).count() == 0
        for link in page.locator(".messages a").all():
            address = link.get_attribute("href") or ""
            assert address.startswith(("https:", "#")), address
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert max(page.evaluate(WIDER)) <= 1
        assert [one for one in asked if not one.startswith(service.url)] == []
        assert faults == []
        # The page answers as ever.
        box.fill("Still there?")
        expect(page.get_by_role("button", name="Send")).to_be_enabled()


def test_a_document_can_not_hurt_the_page(page: Page, service: Service) -> None:
    name = "<img src=x onerror=window.hurt=1> \u202egpj.exe " + "n" * 120 + ".md"
    text = ANSWERS["scripts"] + "\n\nzanzibar " + ANSWERS["from right to left"] + "w" * 10_000
    files = {"file": (name, text.encode(), "text/markdown")}
    service.http.post("/documents", files=files).raise_for_status()
    query = {"query": "zanzibar"}
    service.eventually(lambda: bool(service.http.post("/search", json=query).json()["results"]))
    page.goto("/#/documents")
    page.get_by_role("button", name="Show: <img").first.click()
    expect(page.get_by_role("dialog").locator("pre")).to_contain_text(
        "<script>window.hurt=1</script>"
    )
    page.keyboard.press("Escape")
    page.get_by_label("Search the documents").last.fill("zanzibar")
    page.keyboard.press("Enter")
    expect(page.locator("mark").first).to_have_text("zanzibar")
    assert page.evaluate("window.hurt") is None
    assert page.locator("main :is(script, iframe, img)").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


FROM_ELSEWHERE = """
async (url) => {
  const made = [];
  const ask = { method: 'POST', body: '{}' };
  const json = { 'content-type': 'application/json' };
  const ways = [
    ['/status', {}],
    ['/sessions', ask],
    ['/sessions', { ...ask, mode: 'no-cors' }],
    ['/sessions', { ...ask, headers: json }],
    ['/engines/pilot/stop', { method: 'POST', mode: 'no-cors' }],
  ];
  for (const [path, init] of ways) {
    const told = fetch(url + path, init).then((answer) => answer.type, () => 'refused');
    made.push(await told);
  }
  return made;
}
"""


def test_no_page_elsewhere_can_use_the_service(browser: Browser, service: Service) -> None:
    """A site that its user happens to visit asks this service, with and without asking first."""
    with browser.new_context() as context:
        page = context.new_page()
        page.route(
            "http://elsewhere.invalid/**",
            lambda route: route.fulfill(body="<h1>Elsewhere</h1>", content_type="text/html"),
        )
        page.goto("http://elsewhere.invalid/")
        before = len(service.http.get("/sessions").json()["sessions"])
        tried = page.evaluate(FROM_ELSEWHERE, service.url)
        assert set(tried) <= {"refused", "opaque"}
        assert len(service.http.get("/sessions").json()["sessions"]) == before
        assert service.engines()["pilot"]["state"] == "ready"
        page.set_content(f"<iframe src='{service.url}'></iframe>")
        expect(page.frame_locator("iframe").get_by_role("navigation")).to_have_count(0)
