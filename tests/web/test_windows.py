"""One conversation in two windows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect
from tests.desk.agent.upstream import Upstream
from tests.judges.service import Service

from .conftest import turn

pytestmark = pytest.mark.timeout(600)
# What `far-waits` has said when it waits, and what it says in all; and what `far-says` does.
BEGUN, WHOLE, HELLO = "It was long", "It was long until it came.", "Hello from far."


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Service]:
    """One with a model elsewhere that waits in the middle of an answer, and takes no processor."""
    environment = {"MLXD_REMOTES": upstream.setting(), "MLXD_DOCUMENTS_TAGS": "off"}
    made = Service([Path("pilot")], tmp_path_factory.mktemp("home"), environment)
    yield made
    made.close()


@pytest.fixture
def waits(upstream: Upstream) -> Iterator[None]:
    upstream.go_on.clear()
    yield
    upstream.go_on.set()


@pytest.fixture
def other(context: BrowserContext) -> Page:
    return context.new_page()


def answers(page: Page) -> Locator:
    return page.get_by_role("article", name="Model").locator(".message-body")


def say(page: Page, text: str, model: str = "far-says") -> None:
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
        say(page, "One")
    other.goto(page.url)
    expect(answers(other)).to_have_text(HELLO)
    with turn(other):
        say(other, "Two")
    look_at(page)
    expect(answers(page)).to_have_text([HELLO] * 2)
    # And said on from there.
    with turn(page):
        say(page, "Three")
    look_at(other)
    expect(answers(other)).to_have_text([HELLO] * 3)


def asks(page: Page, text: str) -> None:
    """For an answer that is held in its middle."""
    say(page, text, "far-waits")
    expect(answers(page).last).to_have_text(BEGUN)


def stops(page: Page) -> Locator:
    return page.get_by_role("button", name="Stop")


def idle(*pages: Page) -> None:
    for one in pages:
        expect(one.get_by_role("button", name="Send")).to_be_visible()
        expect(one.get_by_role("img", name="being answered")).to_have_count(0)


def test_an_answer_is_read_along_and_goes_on_when_its_page_is_loaded_anew(
    page: Page, other: Page, upstream: Upstream, waits: None
) -> None:
    page.goto("/")
    asks(page, "How long?")
    other.goto(page.url)
    expect(stops(other)).to_be_visible()
    expect(answers(other)).to_have_text(BEGUN)
    page.reload()
    expect(stops(page)).to_be_visible()
    expect(answers(page)).to_have_text(BEGUN)
    expect(page.get_by_role("img", name="being answered")).to_be_visible()
    upstream.go_on.set()
    for one in (page, other):
        expect(answers(one)).to_have_text(WHOLE)
    idle(page, other)


def test_stop_in_one_window_stops_it_in_both_and_it_is_asked_again_for_both(
    page: Page, other: Page, waits: None
) -> None:
    page.goto("/")
    asks(page, "How long?")
    other.goto(page.url)
    stops(other).click()
    idle(page, other)
    for one in (page, other):
        expect(answers(one)).to_have_text(BEGUN)
        expect(one.get_by_text("ended before it was whole")).to_be_visible()
    other.get_by_label("Model or capability").select_option("far-says")
    with turn(other):
        other.get_by_role("button", name="Answer again").click()
    for one in (page, other):
        expect(answers(one)).to_have_text(HELLO)


def test_what_is_asked_in_one_window_is_answered_in_the_other_as_it_is_written(
    page: Page, other: Page, waits: None
) -> None:
    page.goto("/")
    with turn(page):
        say(page, "Hello")
    other.goto(page.url)
    expect(answers(other)).to_have_text(HELLO)
    asks(page, "How long?")
    # Nobody has touched it.
    expect(answers(other)).to_have_text([HELLO, BEGUN])
    stops(page).click()
    idle(page, other)


def test_a_conversation_is_deleted_in_the_other_window(
    page: Page, other: Page, waits: None
) -> None:
    page.goto("/")
    asks(page, "Say this without an end")
    other.goto(page.url)
    other.get_by_role("button", name="Delete: Say this without an end").click()
    other.get_by_role("button", name="Really delete?: Say this without an end").click()
    expect(page.get_by_role("alert")).to_contain_text("was deleted")
