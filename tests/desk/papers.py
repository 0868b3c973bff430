"""PDFs of our own making, with known content at known places."""

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

WIDTH, HEIGHT = A4
MARGIN = 60
LINE = 14


def label(text: str, size: int = 28, *, width: int = 0, height: int = 0) -> Image.Image:
    """A picture with printed lines, as sharp as a scan at a good resolution."""
    font = ImageFont.load_default(size)
    lines = text.split("\n")
    wide = max(int(font.getlength(line)) for line in lines) + 40
    high = (size + 12) * len(lines) + 30
    picture = Image.new("RGB", (max(width, wide), max(height, high)), "white")
    draw = ImageDraw.Draw(picture)
    for i, line in enumerate(lines):
        draw.text((20, 15 + i * (size + 12)), line, fill="black", font=font)
    return picture


def png(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


class Paper:
    def __init__(self, password: str | None = None) -> None:
        self._data = io.BytesIO()
        encrypt = StandardEncryption(password) if password else None
        self._canvas = Canvas(self._data, pagesize=A4, encrypt=encrypt)
        self._y = HEIGHT - MARGIN
        self.finished = 0

    def page(self) -> "Paper":
        self._canvas.showPage()
        self._y = HEIGHT - MARGIN
        self.finished += 1
        return self

    def title(self, text: str) -> "Paper":
        self._canvas.setFont("Helvetica-Bold", 18)
        self._canvas.drawString(MARGIN, self._y, text)
        self._y -= 34
        return self

    def text(self, *lines: str, x: float = MARGIN, y: float | None = None) -> "Paper":
        self._canvas.setFont("Helvetica", 11)
        at = self._y if y is None else y
        for line in lines:
            self._canvas.drawString(x, at, line)
            at -= LINE
        self._y = min(self._y, at - LINE)
        return self

    def columns(self, left: Sequence[str], right: Sequence[str]) -> "Paper":
        top = self._y
        self.text(*left, x=MARGIN, y=top)
        self.text(*right, x=WIDTH / 2 + 15, y=top)
        return self

    def table(self, rows: Sequence[Sequence[str]], *, ruled: bool) -> "Paper":
        self._canvas.setFont("Helvetica", 11)
        width, height = 110, 20
        top = self._y
        for r, row in enumerate(rows):
            for c, cell in enumerate(row):
                self._canvas.drawString(MARGIN + c * width + 6, top - r * height - 14, cell)
        if ruled:
            across = len(rows[0]) * width
            for r in range(len(rows) + 1):
                y = top - r * height
                self._canvas.line(MARGIN, y, MARGIN + across, y)
            for c in range(len(rows[0]) + 1):
                x = MARGIN + c * width
                self._canvas.line(x, top, x, top - len(rows) * height)
        self._y = top - len(rows) * height - 2 * LINE
        return self

    def picture(self, picture: Image.Image, width: float = 200) -> "Paper":
        height = width * picture.height / picture.width
        self._canvas.drawImage(
            ImageReader(picture), MARGIN, self._y - height, width=width, height=height
        )
        self._y -= height + 2 * LINE
        return self

    def scan(self, text: str, size: int = 40) -> "Paper":
        """A page that is nothing but a picture of text."""
        picture = label(text, size, width=1240, height=1754)
        self._canvas.drawImage(ImageReader(picture), 0, 0, width=WIDTH, height=HEIGHT)
        return self

    def bytes(self) -> bytes:
        self._canvas.save()
        return self._data.getvalue()
