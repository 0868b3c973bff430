"""Pages and pictures, put where the job finds them."""

from pathlib import Path
from typing import Any

import msgspec

from mlxd.desk.documents.files import write
from mlxd.desk.documents.pieces import Page, page_file

# Of a picture that a model is shown, and that results show. Larger ones say no more.
LARGEST_PIXELS = 6_000_000


def keep(out: Path, page: Page) -> None:
    write(out / page_file(page.number), msgspec.json.encode(page))


def keep_picture(folder: Path, name: str, picture: Any) -> None:
    """As PNG, upright, without transparency, and not larger than of use."""
    import io

    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(picture)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        cut = upright.convert("RGBA")
        paper = Image.new("RGBA", cut.size, "white")
        upright = Image.alpha_composite(paper, cut)
    plain = upright.convert("L" if upright.mode in ("1", "L", "I;16") else "RGB")
    size = plain.width * plain.height
    if size > LARGEST_PIXELS:
        scale = (LARGEST_PIXELS / size) ** 0.5
        plain = plain.resize((max(1, int(plain.width * scale)), max(1, int(plain.height * scale))))
    data = io.BytesIO()
    plain.save(data, "PNG")
    write(folder / name, data.getvalue())
