"""Pictures that did not exist before. Pillow is loaded when the first one is drawn."""

import base64
import io
from typing import TYPE_CHECKING

from .nonce import Nonces

if TYPE_CHECKING:
    from PIL import Image

COLOURS = {
    "red": (214, 30, 38),
    "green": (24, 150, 60),
    "blue": (30, 70, 210),
    "yellow": (245, 210, 30),
}
# Large enough for any model that reads print at all.
LETTERS_PX = 40
MARGIN_PX = 24


def printed(text: str) -> bytes:
    """Black print on white."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=LETTERS_PX)
    left, top, right, bottom = font.getbbox(text)
    size = (round(right - left) + 2 * MARGIN_PX, round(bottom - top) + 2 * MARGIN_PX)
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).text((MARGIN_PX - left, MARGIN_PX - top), text, fill="black", font=font)
    return _png(image)


def shape(colour: str, nonces: Nonces) -> bytes:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (128, 128), "white")
    draw = ImageDraw.Draw(image)
    size = nonces.number(40, 70)
    left, top = (nonces.number(10, 128 - 10 - size) for _ in range(2))
    box = (left, top, left + size, top + size)
    getattr(draw, nonces.choice(("ellipse", "rectangle")))(box, fill=COLOURS[colour])
    return _png(image)


def data_url(picture: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def _png(image: "Image.Image") -> bytes:
    out = io.BytesIO()
    image.save(out, format="PNG")
    return out.getvalue()
