"""Links lead somewhere, and the Chinese README says the same as the English one."""

import re
from pathlib import Path

import pytest

from .markdown import anchors, blocks, headings, links
from .service import ROOT

PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "src" / "mlxd" / "pilot" / "README.md",
]
# Shells and languages whose blocks must be the same in every translation.
CODE = {"sh", "python", "json", "toml"}


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_the_chinese_readme_is_in_step() -> None:
    english, chinese = ROOT / "README.md", ROOT / "README.zh.md"
    assert [level for level, _ in headings(chinese)] == [level for level, _ in headings(english)]
    assert _code(chinese) == _code(english), "the code blocks of README.zh.md and README.md differ"
    assert _targets(chinese) == _targets(english)


def _code(page: Path) -> list[tuple[str, str]]:
    """Comments may be translated."""
    return [
        (block.info, re.sub(r"\s*#.*", "", block.code))
        for block in blocks(page)
        if block.language in CODE
    ]


def _targets(page: Path) -> list[str]:
    """Where it leads, but for the link to the other language."""
    return [link for link in links(page) if not re.fullmatch(r"README(\.zh)?\.md", link)]
