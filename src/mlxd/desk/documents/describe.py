"""What models are asked about pictures and texts."""

import asyncio
import io
from pathlib import Path

from PIL import Image

from mlxd.desk.models import Models

from . import tiles
from .ocr import Reader

# An answer longer than this says the same thing again and again.
DESCRIPTION_TOKENS = 400
SUMMARY_TOKENS = 160


class Describer:
    def __init__(self, models: Models) -> None:
        self._models = models
        self._reader = Reader(models)

    async def read(self, picture: Path) -> str:
        """The text in a picture of a page."""
        return (await self._reader.read(picture)).text

    async def describe(self, picture: Path, around: str) -> str:
        image = await asyncio.to_thread(_plain, picture)
        prompt = "Describe this image, and read the text in it."
        if around:
            prompt = f"This text stands next to the image:\n\n{around}\n\n{prompt}"
        said = await self._models.chat("vision", prompt, image=image, max_tokens=DESCRIPTION_TOKENS)
        return said.text

    async def summarise(self, text: str) -> str:
        prompt = f"Summarise this text in two sentences, in its own language:\n\n{text}"
        said = await self._models.chat("text", prompt, max_tokens=SUMMARY_TOKENS)
        return said.text


def _plain(picture: Path) -> bytes:
    """As it is kept, without a frame around it."""
    with Image.open(picture) as image:
        inner = tiles.unframed(image)
        if inner is image:
            return picture.read_bytes()
        data = io.BytesIO()
        inner.save(data, "PNG")
        return data.getvalue()
