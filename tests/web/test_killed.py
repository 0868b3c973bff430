"""An engine that is killed in the middle of an answer, seen by who reads that answer."""

import os
import signal

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from tests.judges.service import Service

from .conftest import turn

pytestmark = pytest.mark.timeout(600)
TOKENS = 1_500


def ask(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Model or capability").select_option("endless")
    page.get_by_role("button", name="Sampling").click()
    page.get_by_label("max_tokens").fill(str(TOKENS))
    page.get_by_label("seed").fill("11")
    page.get_by_label("Message", exact=True).fill("Go on and on")


def test_the_text_goes_on_without_a_gap_or_a_repeat(
    context: BrowserContext, page: Page, service: Service
) -> None:
    shown = page.get_by_role("article", name="Model").locator(".message-body")
    whole = page.get_by_text("1,500 tokens")
    ask(page)
    with turn(page):
        page.keyboard.press("Enter")
    expect(whole).to_be_visible()
    undisturbed = shown.inner_text()
    assert len(undisturbed) > 1_000

    live = context.new_page()
    live.goto("/#/live")
    card = live.get_by_label("endless", exact=True)
    expect(card.get_by_text("ready", exact=True)).to_be_visible()
    page.bring_to_front()

    def again() -> None:
        page.get_by_role("button", name="New").first.click()
        expect(shown).to_have_count(0)
        ask(page)
        page.keyboard.press("Enter")

    before = service.held_in_mid_answer("endless", again, TOKENS)
    try:
        expect(shown).to_contain_text(undisturbed.split()[0][:3])
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
    finally:
        os.kill(before["pid"], signal.SIGKILL)
    expect(whole).to_be_visible()
    assert shown.inner_text() == undisturbed
    # What is kept is what was shown.
    page.reload()
    expect(whole).to_be_visible()
    assert shown.inner_text() == undisturbed
    live.bring_to_front()
    card.get_by_text("What happened").click()
    expect(card.get_by_text("SIGKILL").first).to_be_visible()
    after = service.engines()["endless"]
    assert after["pid"] != before["pid"]
    assert after["restarts"] == before["restarts"] + 1
