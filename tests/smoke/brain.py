"""What the correct server says: the referee's scripted model says it too."""

import io

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mlxd.referee.brain import Said, pieces, think

__all__ = ["MODEL", "Said", "labelled", "pieces", "think"]

MODEL = "fake"


def labelled(picture: bytes, text: str) -> bytes:
    """The same picture with what stands in it beside the pixels, for a model that can't read
    print."""
    label = PngInfo()
    label.add_text("print", text)
    out = io.BytesIO()
    Image.open(io.BytesIO(picture)).save(out, format="PNG", pnginfo=label)
    return out.getvalue()
