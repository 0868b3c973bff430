"""Text of pictures and scanned pages: tile by tile, put together without losing or doubling a line
at the seams."""

import asyncio
import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from PIL import Image

from mlxd.desk.models import Models

from . import tiles
from .tiles import Part

PROMPT = "Read the text."
# A tile full of small print. What does not end within it has gone astray, or was too much at once.
TILE_TOKENS = 1_200
# Where two readings of the same lines meet, they may differ in a letter.
ALIKE = 0.75
# Lines at each side of a seam that are compared.
SEAM_LINES = 4
# A tile that the model does not come to an end with is halved so many times.
HALVINGS = 3
# Parts that are asked for at the same time.
TOGETHER = 4


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """`box` in pixels of the picture, where it is known which line it is."""

    text: str
    box: tuple[int, int, int, int] | None = None


class Sheet(msgspec.Struct, frozen=True):
    """What stands on one page."""

    lines: list[Line]

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)


class Reader:
    def __init__(self, models: Models) -> None:
        self._models = models

    async def read(self, picture: Path, told: Callable[[int, int], None] | None = None) -> Sheet:
        """`told` is told how many parts of how many are done."""
        image = await asyncio.to_thread(_opened, picture)
        found = await asyncio.to_thread(tiles.parts, image)
        done = 0
        turns = asyncio.Semaphore(TOGETHER)

        async def one(part: Part) -> list[Line]:
            nonlocal done
            async with turns:
                made = await self._part(image, part, HALVINGS)
            done += 1
            if told is not None:
                told(done, len(found))
            return made

        async with asyncio.TaskGroup() as group:
            reading = [group.create_task(one(part)) for part in found]
        lines: list[Line] = []
        for part, task in zip(found, reading, strict=True):
            lines = stitched(lines, task.result()) if part.torn else [*lines, *task.result()]
        return Sheet(lines)

    async def _part(self, image: Image.Image, part: Part, halvings: int) -> list[Line]:
        data = await asyncio.to_thread(tiles.cut, image, part)
        said = await self._models.chat("vision", PROMPT, image=data, max_tokens=TILE_TOKENS)
        texts = [line.strip() for line in said.text.splitlines() if line.strip()]
        # Fewer lines than can be seen: one was left out, or the model did not come to an end.
        if (said.cut or len(texts) < len(part.lines)) and halvings and len(part.lines) > 1:
            return [
                line
                for half in tiles.halves(part)
                for line in await self._part(image, half, halvings - 1)
            ]
        if len(texts) == len(part.lines):
            return [Line(text, box) for text, box in zip(texts, part.lines, strict=True)]
        return [Line(text) for text in texts]


def _opened(picture: Path) -> Image.Image:
    with Image.open(picture) as image:
        return image.convert("RGB")


def stitched(above: Sequence[Line], below: Sequence[Line]) -> list[Line]:
    """Without the lines at the start of the second that the first ends with. The line that the
    first tile was cut off in is only whole in the second."""
    best, seam = ALIKE, (0, 0)
    for torn in (0, 1):
        for count in range(1, min(SEAM_LINES, len(above) - torn, len(below)) + 1):
            ends = above[len(above) - torn - count : len(above) - torn]
            alike = min(_alike(a.text, b.text) for a, b in zip(ends, below, strict=False))
            # Lines of a list look like their neighbours: the best seam counts, not the first.
            if alike > best or (alike == best and count > seam[0]):
                best, seam = alike, (count, torn)
    count, torn = seam
    if count == 0:
        return [*above, *below]
    ends = above[len(above) - torn - count : len(above) - torn]
    kept = [a if len(a.text) >= len(b.text) else b for a, b in zip(ends, below, strict=False)]
    return [*above[: len(above) - torn - count], *kept, *below[count:]]


def _alike(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio()
