"""A real browser in front of a real service with the bundled model."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)
from tests.endless import write_endless
from tests.fakes.hub import FakeHub, running
from tests.judges.service import Service

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
# For the first answer of a desk that has to start, on a busy machine.
PATIENCE_MS = 120_000


@pytest.fixture(scope="package")
def hub() -> Iterator[FakeHub]:
    """Where models are pulled from; nothing that is far away is asked."""
    with running() as started:
        yield started


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory, hub: FakeHub) -> Iterator[Service]:
    """`pilot` answers; `endless`, of random weights, says nothing and does not stop."""
    models = tmp_path_factory.mktemp("models")
    write_endless(models / "endless")
    home = tmp_path_factory.mktemp("home")
    environment = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home / "hf"),
        "MLXD_DOCUMENTS_TAGS": "off",
    }
    made = Service([Path("pilot"), models / "endless"], home, environment)
    yield made
    made.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on the PATH: apt-get install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as play:
        # Its own sandbox needs a user that may make namespaces, which root in a container is not.
        made = play.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS
        )
        yield made
        made.close()


def sized(browser: Browser, url: str, width: int, height: int, **more: Any) -> BrowserContext:
    size: ViewportSize = {"width": width, "height": height}
    made = browser.new_context(base_url=url, viewport=size, **{"locale": "en", **more})
    made.set_default_timeout(PATIENCE_MS)
    return made


@pytest.fixture
def context(browser: Browser, service: Service) -> Iterator[BrowserContext]:
    made = sized(browser, service.url, 1280, 860)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Nothing that a page does may fail quietly."""
    complaints: list[str] = []
    made = context.new_page()
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on(
        "console",
        lambda message: complaints.append(message.text) if "Refused to" in message.text else None,
    )
    yield made
    assert complaints == []


@contextmanager
def turn(page: Page) -> Iterator[None]:
    """What is done in it has a turn answered. Afterwards that is over: what the page had shown
    before is not taken for it."""
    with page.expect_response("**/chat/agent-stream") as answer:
        yield
    answer.value.finished()
    expect(page.get_by_role("button", name="Send")).to_be_visible()
