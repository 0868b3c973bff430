"""A real browser in front of a real service with the bundled model."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.models import SHAPES, write_model
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from tests.judges.service import Service

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
# For the first answer of a desk that has to start, on a busy machine.
PATIENCE_MS = 60_000


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`pilot` answers; `endless`, of random weights, says nothing and does not stop."""
    models = tmp_path_factory.mktemp("models")
    write_model(models / "endless", SHAPES["tiny"])
    home = tmp_path_factory.mktemp("home")
    made = Service([Path("pilot"), models / "endless"], home)
    yield made
    made.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on the PATH: apt-get install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as play:
        # Its own sandbox needs a user that may make namespaces, which root in a container is not.
        made = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def context(browser: Browser, service: Service) -> Iterator[BrowserContext]:
    made = browser.new_context(
        base_url=service.url, locale="en", viewport={"width": 1280, "height": 860}
    )
    made.set_default_timeout(PATIENCE_MS)
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
