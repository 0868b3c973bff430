import random
import re
from io import BytesIO

import pytest
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Page, expect

from mlxd.smoke.nonce import Nonces

from .conftest import turn

pytestmark = pytest.mark.timeout(600)
# The same ones each time: what a small model can copy is not the question here.
NONCES = Nonces(random.Random(11))


def say(page: Page, text: str) -> None:
    box = page.get_by_label("Message", exact=True)
    box.fill(text)
    box.press("Enter")


def answers(page: Page):
    return page.get_by_role("article", name="Model").locator(".message-body")


def choose(page: Page, model: str) -> None:
    page.get_by_label("Model or capability").select_option(model)


def test_a_conversation_is_answered_and_still_there_after_a_reload(page: Page) -> None:
    nonce = NONCES.code()
    page.goto("/")
    say(page, f"Reply with exactly: {nonce}")
    expect(answers(page)).to_have_text(nonce)
    expect(page.get_by_role("link", name=f"Reply with exactly: {nonce}")).to_be_visible()
    page.reload()
    expect(answers(page)).to_have_text(nonce)


def test_an_answer_is_made_again_and_a_conversation_goes_on_elsewhere(page: Page) -> None:
    nonce = NONCES.code()
    page.goto("/")
    say(page, f"Reply with exactly: {nonce}")
    expect(answers(page)).to_have_text(nonce)
    with turn(page):
        page.get_by_role("button", name="Answer again").click()
    expect(answers(page)).to_have_text(nonce)
    place = page.url
    # Asked for by the page that takes the place of this one.
    with page.expect_response(re.compile(r"/sessions/[^/?]+$")) as branch:
        page.get_by_role("button", name="Go on from here").last.click()
    branch.value.finished()
    assert page.url != place
    expect(answers(page)).to_have_text(nonce)
    other = NONCES.code()
    say(page, f"Reply with exactly: {other}")
    expect(answers(page).last).to_have_text(other)
    page.goto(place)
    expect(answers(page)).to_have_count(1)


def test_a_conversation_is_renamed_found_and_deleted(page: Page) -> None:
    nonce = NONCES.code()
    page.goto("/")
    say(page, f"Reply with exactly: {nonce}")
    expect(answers(page)).to_have_text(nonce)
    page.get_by_role("button", name=f"Rename: Reply with exactly: {nonce}").click()
    name = page.get_by_role("textbox", name="Rename")
    name.fill(f"About {nonce}")
    name.press("Enter")
    page.get_by_role("searchbox").fill(nonce)
    expect(page.get_by_role("link", name=f"About {nonce}")).to_be_visible()
    page.get_by_role("button", name=f"Delete: About {nonce}").click()
    page.get_by_role("button", name=f"Really delete?: About {nonce}").click()
    expect(page.get_by_role("link", name=f"About {nonce}")).to_have_count(0)


def test_a_picture_is_read(page: Page) -> None:
    text = NONCES.code()
    page.goto("/")
    page.set_input_files(
        "input[type=file]",
        files=[{"name": "code.png", "mimeType": "image/png", "buffer": printed(text)}],
    )
    expect(page.get_by_alt_text("code.png")).to_be_visible()
    say(page, "What text is in this image? Answer with the text only.")
    expect(answers(page)).to_contain_text(text)


def printed(text: str) -> bytes:
    picture = Image.new("RGB", (320, 80), "white")
    font = ImageFont.load_default(size=36)
    ImageDraw.Draw(picture).text((20, 18), text, fill="black", font=font)
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def test_stop_ends_the_answer_and_frees_the_engine(page: Page, service) -> None:
    page.goto("/")
    choose(page, "endless")
    say(page, "Go on and on")
    stop = page.get_by_role("button", name="Stop")
    expect(stop).to_be_visible()
    service.eventually(lambda: service.engines()["endless"]["running"] == 1)
    stop.click()
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    service.released()


def test_a_turn_that_can_not_be_answered_says_why(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Sampling").click()
    page.get_by_label("temperature").fill("9")
    say(page, "Hello")
    expect(page.get_by_role("alert")).to_contain_text("temperature")
    page.get_by_label("temperature").fill("")
    with turn(page):
        page.get_by_role("button", name="Try again").click()
    expect(answers(page)).to_have_count(1)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_what_is_said_can_not_run_as_script(page: Page) -> None:
    hostile = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'
    page.goto("/")
    with turn(page):
        say(page, f"Reply with exactly: {hostile} [go](javascript:window.hurt=1)")
    expect(answers(page)).to_have_count(1)
    assert page.locator(".messages a[href^='javascript']").count() == 0
    assert page.evaluate("window.hurt") is None
    assert page.locator(".message script, .message img").count() == 0
