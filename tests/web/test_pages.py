import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.judges.service import Service

from .conftest import sized, turn
from .test_hostile import answered_with

pytestmark = pytest.mark.timeout(600)
AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
PAGES = ("chat", "models", "live", "documents", "proof", "doctor")
EVERYTHING = """# A heading

Text with `code`, a [link](https://example.org) and

| a | table |
|---|---|
| of | cells |

```python
print("code")
```

> the end
"""
SIZES = {"phone": (390, 844), "tablet": (820, 1180), "wide": (1600, 1000)}


def test_models_are_assigned_taken_away_and_checked(page: Page, service: Service) -> None:
    page.goto("/#/models")
    code = page.get_by_label("code", exact=True)
    code.select_option("pilot")
    service.eventually(lambda: assigned(service, "code") == "pilot")
    code.select_option("nobody")
    service.eventually(lambda: assigned(service, "code") is None)
    row = page.get_by_role("row", name="text", exact=False).first
    row.get_by_role("button", name="Check").click()
    expect(row.get_by_text("confirmed", exact=True)).to_be_visible()


def assigned(service: Service, capability: str) -> str | None:
    made = service.http.get("/models/capabilities").json()["capabilities"]
    return made[capability]["model_id"]


def test_the_live_page_shows_what_an_engine_does(page: Page, service: Service) -> None:
    page.goto("/#/live")
    card = page.get_by_label("endless", exact=True)
    expect(card.get_by_text("ready", exact=True).first).to_be_visible()
    before = service.engines()["endless"]
    with busy(service):
        expect(card.get_by_text("decoding 1 row")).to_be_visible()
        os.kill(before["pid"], signal.SIGKILL)
        service.eventually(lambda: service.engines()["endless"]["restarts"] > before["restarts"])
    expect(card.get_by_text("idle", exact=True)).to_be_visible()
    card.get_by_text("What happened").click()
    expect(card.get_by_text("SIGKILL").first).to_be_visible()


def test_what_happened_is_told_in_chinese_too(browser: Browser, service: Service) -> None:
    def another(pid: int) -> bool:
        now = service.engines()["endless"]
        return bool(now["state"] == "ready" and now["pid"] != pid)

    first = service.engines()["endless"]["pid"]
    service.http.post("/engines/endless/restart").raise_for_status()
    service.eventually(lambda: another(first))
    second = service.engines()["endless"]["pid"]
    os.kill(second, signal.SIGKILL)
    service.eventually(lambda: another(second))
    with sized(browser, service.url, 1280, 860, locale="zh-CN") as context:
        page = context.new_page()
        page.goto("/#/live")
        card = page.get_by_label("endless", exact=True)
        card.locator("summary").click()
        expect(card.get_by_text("进程被 SIGKILL 结束").first).to_be_visible()
        told = card.locator("li").all_inner_texts()
        assert any("收到重启指令" in one for one in told)
        assert [one for one in told if re.search("[a-z]{3}", one)] == []


@contextmanager
def busy(service: Service) -> Iterator[None]:
    """One request after the other, until the end of the block."""
    over = threading.Event()

    def ask() -> None:
        with httpx2.Client(base_url=service.url, timeout=60, trust_env=False) as client:
            while not over.is_set():
                body = {"model": "endless", "prompt": "go", "max_tokens": 500}
                client.post("/v1/completions", json=body)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()


def test_a_file_is_added_found_and_removed(page: Page) -> None:
    page.goto("/#/documents")
    text = b"The harbour of Velm was opened in 1874. Its lighthouse is blue."
    page.set_input_files(
        "input[type=file]", files=[{"name": "velm.txt", "mimeType": "text/plain", "buffer": text}]
    )
    job = page.get_by_label("Jobs").get_by_role("listitem").filter(has_text="velm.txt")
    expect(job.first.get_by_text("done")).to_be_visible()
    page.get_by_label("Search the documents").last.fill("lighthouse")
    page.keyboard.press("Enter")
    expect(page.locator("mark").first).to_have_text("lighthouse")
    page.get_by_role("button", name="Show: velm.txt").click()
    expect(page.get_by_role("dialog")).to_contain_text("Its lighthouse is blue.")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Delete: velm.txt").click()
    page.get_by_role("button", name="Really delete?: velm.txt").click()
    expect(page.get_by_role("cell", name="velm.txt")).to_have_count(0)


def test_the_doctor_says_what_it_found(page: Page) -> None:
    page.goto("/#/doctor")
    expect(page.get_by_text("fine", exact=True).nth(2)).to_be_visible(timeout=300_000)


def opened(page: Page, name: str) -> None:
    """It and no longer the one before."""
    page.goto(f"/#/{name}")
    link = page.locator(f"nav a[href='#/{name}']")
    expect(link).to_have_attribute("aria-current", "page")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_can_be_used_without_eyes_or_mouse(
    browser: Browser, service: Service, theme: str
) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make web")
    # Still, so that no colour is looked at on its way to another; and the examiner's script runs.
    still = {"color_scheme": theme, "reduced_motion": "reduce", "bypass_csp": True}
    with sized(browser, service.url, 1280, 860, **still) as context:
        page = context.new_page()
        for name in PAGES:
            opened(page, name)
            expect(page.get_by_role("main").get_by_role("heading").first).to_be_visible()
            if name == "chat":
                answered_with(page, EVERYTHING)
                page.get_by_label("Message", exact=True).fill("Everything?")
                with turn(page):
                    page.keyboard.press("Enter")
                expect(page.get_by_role("article", name="Model")).to_contain_text("the end")
            page.add_script_tag(path=AXE)
            found = page.evaluate("axe.run()")["violations"]
            serious = [one for one in found if one["impact"] in ("serious", "critical")]
            told = [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious]
            assert told == [], (name, theme)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_nothing_hangs_over_the_edge(
    browser: Browser, service: Service, size: str, language: str
) -> None:
    with sized(browser, service.url, *SIZES[size], locale=language) as context:
        page = context.new_page()
        for name in PAGES:
            opened(page, name)
            expect(page.locator("main :is(h1, h2, textarea)").first).to_be_visible()
            over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert over <= 0, name
        shown = page.locator("nav").inner_text()
        assert ("模型" in shown) == language.startswith("zh")


def test_the_page_is_served_under_a_strict_policy_and_the_rest_behind_the_token(
    tmp_path: Path, browser: Browser
) -> None:
    service = Service([Path("pilot")], tmp_path, token="open-sesame")
    try:
        page = httpx2.get(service.url, trust_env=False)
        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        tag = {"if-none-match": page.headers["etag"]}
        assert httpx2.get(service.url, headers=tag, trust_env=False).status_code == 304
        assert httpx2.get(service.url + "/events", trust_env=False).status_code == 401
        _token_is_asked_for_once(browser, service.url)
    finally:
        service.close()


def _token_is_asked_for_once(browser: Browser, url: str) -> None:
    with sized(browser, url, 1280, 860) as context:
        page = context.new_page()
        page.goto("/#/live")
        box = page.get_by_role("textbox", name="Token")
        box.fill("wrong")
        box.press("Enter")
        expect(page.get_by_text("not accepted")).to_be_visible()
        box.fill("open-sesame")
        box.press("Enter")
        expect(page.get_by_label("pilot", exact=True)).to_be_visible()
        page.reload()
        expect(page.get_by_label("pilot", exact=True)).to_be_visible()
        expect(page.get_by_role("textbox", name="Token")).to_have_count(0)


def test_the_service_does_not_wait_for_pages_that_watch(tmp_path: Path) -> None:
    service = Service([Path("pilot")], tmp_path)
    with service.http.stream("GET", "/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: snapshot"
        service.process.terminate()
        assert "data: [DONE]" in list(lines)
    service.close()
