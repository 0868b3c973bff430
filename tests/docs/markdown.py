"""What the tests need to know of a Markdown file."""

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """`info` is what stands behind the fence: a language, and `run` where it is to be run."""

    file: Path
    line: int
    info: str
    code: str

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    @property
    def runs(self) -> bool:
        return "run" in self.info.split()[1:]


def blocks(file: Path) -> list[Block]:
    text = file.read_text(encoding="utf-8")
    return [
        Block(file, text.count("\n", 0, found.start()) + 1, found[1], found[2])
        for found in _FENCE.finditer(text)
    ]


def _prose(file: Path) -> str:
    return _FENCE.sub("", file.read_text(encoding="utf-8"))


def headings(file: Path) -> list[tuple[int, str]]:
    return [(len(marks), text) for marks, text in _HEADING.findall(_prose(file))]


def anchors(file: Path) -> set[str]:
    """As GitHub makes them of headings."""
    made: set[str] = set()
    for _, text in headings(file):
        plain = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        number = 0
        while (anchor := plain if not number else f"{plain}-{number}") in made:
            number += 1
        made.add(anchor)
    return made


def links(file: Path) -> list[str]:
    prose = re.sub(r"`[^`\n]*`", "", _prose(file))
    return _LINK.findall(prose)
