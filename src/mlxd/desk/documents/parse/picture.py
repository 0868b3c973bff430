"""Picture files: each frame is a page that a model has to read and to describe."""

from pathlib import Path

from PIL import Image, ImageSequence, UnidentifiedImageError

from mlxd.desk.documents.kinds import PICTURES, recognise
from mlxd.desk.documents.pieces import Block, Page, Survey, Unreadable

from .child import Extraction
from .pages import keep, keep_picture


def parse(request: Extraction) -> Survey:
    file = Path(request.file)
    kind = recognise(file, request.name)
    if kind is PICTURES["HEIC"]:
        _register_heic(request.name)
    # The limit is ours, and comes before anything is decoded.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(file) as opened:
            # Frames of a GIF are moments of one picture; those of a TIFF are pages.
            frames = ImageSequence.Iterator(opened) if kind.name == "TIFF" else [opened]
            count = 0
            for number, frame in enumerate(frames, 1):
                if number > request.page_limit:
                    raise Unreadable(
                        "too_many_pages",
                        f"{request.name} has more pages than the limit of {request.page_limit} "
                        "(setting documents.page_limit).",
                    )
                _page(request, number, frame)
                count = number
    except UnidentifiedImageError as error:
        raise Unreadable("damaged_file", f"{request.name} is a damaged {kind.name}.") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise Unreadable("damaged_file", f"{request.name} is damaged: {error}.") from error
    return Survey(kind.name.lower(), count, paged=count > 1)


def _page(request: Extraction, number: int, frame: Image.Image) -> None:
    width, height = frame.size
    if width * height > request.pixel_limit:
        raise Unreadable(
            "too_many_pixels",
            f"{request.name} has {width}×{height} pixels, over the limit of "
            f"{request.pixel_limit} (setting documents.pixel_limit).",
        )
    name = f"picture-{number:05d}.png"
    keep_picture(Path(request.images), name, frame)
    box = (0.0, 0.0, float(width), float(height))
    block = Block("image", box=box, image=name)
    keep(Path(request.out), Page(number, [block], (float(width), float(height))))


def _register_heic(name: str) -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise Unreadable(
            "unsupported_file", f"{name} is HEIC, which needs pip install pillow-heif."
        ) from None
    register_heif_opener()
