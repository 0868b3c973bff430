"""One conversation in two windows."""

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect
from tests.judges.service import Service

from .conftest import turn

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def other(context: BrowserContext) -> Page:
    return context.new_page()


def answers(page: Page) -> Locator:
    return page.get_by_role("article", name="Model").locator(".message-body")


def say(page: Page, text: str, model: str = "pilot") -> None:
    page.get_by_label("Model or capability").select_option(model)
    box = page.get_by_label("Message", exact=True)
    box.fill(text)
    box.press("Enter")


def look_at(page: Page) -> None:
    """As when a window comes to the front; here all of them always count as such."""
    page.bring_to_front()
    page.evaluate("dispatchEvent(new Event('focus'))")


def test_what_was_said_in_the_other_window_is_there_when_this_one_is_looked_at(
    page: Page, other: Page
) -> None:
    page.goto("/")
    with turn(page):
        say(page, "Reply with exactly: one")
    other.goto(page.url)
    expect(answers(other)).to_have_text("one")
    with turn(other):
        say(other, "Reply with exactly: two")
    look_at(page)
    expect(answers(page)).to_have_text(["one", "two"])
    # And said on from there.
    with turn(page):
        say(page, "Reply with exactly: three")
    look_at(other)
    expect(answers(other)).to_have_text(["one", "two", "three"])


def test_a_question_is_asked_again_in_the_other_window(
    page: Page, other: Page, service: Service
) -> None:
    page.goto("/")
    say(page, "Reply with exactly: again", "endless")
    service.eventually(lambda: service.engines()["endless"]["running"] == 1)
    other.goto(page.url)
    other.get_by_label("Model or capability").select_option("pilot")
    with turn(other):
        other.get_by_role("button", name="Try again").click()
    expect(answers(other)).to_have_text("again")
    expect(page.get_by_role("alert")).to_contain_text("asked again")
    service.released()
    page.reload()
    expect(answers(page)).to_have_text("again")


def test_a_conversation_is_deleted_in_the_other_window(
    page: Page, other: Page, service: Service
) -> None:
    page.goto("/")
    say(page, "Say this without an end", "endless")
    service.eventually(lambda: service.engines()["endless"]["running"] == 1)
    other.goto(page.url)
    other.get_by_role("button", name="Delete: Say this without an end").click()
    other.get_by_role("button", name="Really delete?: Say this without an end").click()
    expect(page.get_by_role("alert")).to_contain_text("was deleted")
    service.released()
