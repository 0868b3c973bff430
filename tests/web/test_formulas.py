"""Formulas in answers are typeset; what only looks like one is not, and none can do harm."""

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.judges.service import Service

from .conftest import sized, turn
from .test_hostile import answered_with

pytestmark = pytest.mark.timeout(300)

FORMULAS = (
    r"$E = mc^2$",
    r"\(a_1 + b_{2}^2\)",
    r"**$x_1$**",
    r"the $n$th",
    r"$\text{price} = \$5$",
    "\n\n$$\\int_0^1 x\\,dx = \\frac{1}{2}$$\n\n",
    "\n\n\\[\n\\begin{pmatrix} a & b \\\\ c & d \\end{pmatrix}\n\\]\n\n",
)
TABLE = "\n\n| a | b |\n|---|---|\n| $|x|$ | $y_1$ |\n\n"
PROSE = (
    "$5 and $10", "10$ to 20$", "$USER:$GROUP", "cost $5, or 10$ more", "价格是$5，不是$10。",
    "[see below]", "(plain words)", "[1]",
)  # fmt: skip
AS_WRITTEN = (*PROSE[:5], r"\[see below\]", r"\(plain words\)", r"\[1\]")
CODE = ("`$x$ and $y$`", "\n\n```latex\n$$z$$\n```\n\n")
HARMFUL = (
    r"$\href{javascript:window.hurt=1}{x}$",
    r"$\includegraphics{https://example.invalid/x.png}$",
    r"$\def\a{\a\a}\a$",
    r"$\newcommand{\b}{\b\b}\b$",
    r"$\style{position:fixed}{x}$",
    "$" + "{" * 400 + "}" * 399 + "$",
    r"$\frac{1}$",
)
LARGE = r"$\rule{1000em}{1000em}$ $\kern-1000em x$"


def shown(page: Page, text: str) -> None:
    answered_with(page, text)
    page.goto("/")
    box = page.get_by_label("Message", exact=True)
    box.fill("Formulas?")
    with turn(page):
        box.press("Enter")


def test_formulas_are_typeset_and_what_is_none_is_left(page: Page) -> None:
    shown(page, "\n\n".join((*FORMULAS, TABLE, *AS_WRITTEN, *CODE)))
    answer = page.get_by_role("article", name="Model").locator(".message-body > .prose")
    expect(answer.locator("math")).to_have_count(len(FORMULAS) + 2)
    expect(answer.locator("mfrac")).to_have_count(1)
    expect(answer.locator("td math")).to_have_count(2)
    for text in PROSE:
        expect(answer).to_contain_text(text)
    expect(answer.locator("code").filter(has_text="$x$ and $y$")).to_have_count(1)
    expect(answer.locator("pre code")).to_have_text("$$z$$")


def test_a_formula_can_not_hurt_the_page(browser: Browser, service: Service) -> None:
    with sized(browser, service.url, 390, 844) as context:
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url))
        shown(page, "\n\n".join((*HARMFUL, LARGE, "$x$")))
        answer = page.get_by_role("article", name="Model").locator(".message-body > .prose")
        expect(answer.locator("math")).to_have_count(3)
        # Each that is refused stands there as it was written.
        expect(answer.locator("code")).to_have_text(list(HARMFUL))
        assert answer.locator("a, img, [href], [src]").count() == 0
        assert page.evaluate("window.hurt") is None
        assert [one for one in asked if not one.startswith(service.url)] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        # None reaches over what stands beside it.
        tall = answer.locator(".formula").evaluate_all("all => all.map(one => one.offsetHeight)")
        assert max(tall) < 400


def test_who_reads_no_formula_is_not_sent_what_typesets_them(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    shown(page, "That is $5, and no more than $10.")
    answer = page.get_by_role("article", name="Model").locator(".message-body > .prose")
    expect(answer).to_contain_text("no more than $10")
    assert not [one for one in asked if "typeset" in one]
