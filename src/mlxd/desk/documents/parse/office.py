"""DOCX, PPTX and HTML become Markdown by MarkItDown, and Markdown becomes blocks; of workbooks the
cells are read. Pictures in them are kept where they stood, to be described."""

import base64
import binascii
import contextlib
import hashlib
import importlib
import importlib.util
import io
import re
import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from mlxd.desk.documents.kinds import DOCX, HTML, PPTX, XLSX, recognise
from mlxd.desk.documents.pieces import Block, Page, Survey, Unreadable

from .child import Extraction
from .pages import keep, keep_picture
from .plain import decode, markdown_blocks

# Packed files with more parts than this are made to keep a reader busy.
MOST_PARTS = 20_000
# Where a part of an office file would declare entities, to grow by them or to name other files.
_HEAD_BYTES = 4096
# Text compresses to a tenth, drawings to a hundredth; a part that grows more than this is a bomb.
MOST_GROWTH = 1_000
_SLIDE = re.compile(r"<!--\s*Slide number:\s*(\d+)\s*-->")
# Pictures that are elsewhere are named by where; nobody could follow that. Each part of these has
# an end: a page that begins thousands of them and closes none would keep them busy for hours.
_ELSEWHERE = re.compile(r"!\[([^\[\]]*)\]\([^)]{0,2000}\)")
_INSIDE = re.compile(
    r"!\[([^\[\]]*)\]\(data:image/[\w.+-]{1,40};base64,([\w+/=%-]*)[^)]{0,600}\)", re.IGNORECASE
)
# Drawings of points and lines are not read: what does so for Pillow starts other programs.
_PICTURES = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
# A logo on every slide is one picture; more different ones than this are an album.
MOST_PICTURES = 500


def parse(request: Extraction) -> Survey:
    file = Path(request.file)
    kind = recognise(file, request.name)
    if kind is not HTML:
        _check_packed(file, request)
    album = _Album(request)
    if kind is XLSX:
        pages = [Page(1, [*_cells(file, request), *album.of_workbook(file)])]
    else:
        markdown = _markdown(file, request, kind.name)
        parts = _SLIDE.split(markdown) if kind is PPTX else [markdown]
        # What stands before the first slide's mark is nothing; then number and text take turns.
        texts = parts[2::2] if len(parts) > 1 else parts
        pages = [Page(n, album.blocks(text)) for n, text in enumerate(texts, 1)]
    if not any(page.blocks for page in pages):
        raise Unreadable("empty_file", f"{request.name} has nothing in it that could be read.")
    if len(pages) > request.page_limit:
        raise Unreadable(
            "too_many_pages",
            f"{request.name} has {len(pages)} slides, over the limit of {request.page_limit} "
            "(setting documents.page_limit).",
        )
    for page in pages:
        keep(Path(request.out), page)
    title = next(
        (b.text.lstrip("# ") for p in pages for b in p.blocks if b.kind == "heading"), None
    )
    return Survey(kind.name.lower(), len(pages), paged=kind is PPTX, title=title)


class _Album:
    """The pictures of one file, each kept once."""

    def __init__(self, request: Extraction) -> None:
        self._request = request
        self._kept: set[str] = set()

    def blocks(self, text: str) -> list[Block]:
        made: list[Block] = []
        # Text, then for each picture its name, its content, and the text after it.
        first, *rest = _INSIDE.split(without_comments(text))
        made += _texts(first)
        for name, data, after in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
            try:
                picture = self._picture(base64.b64decode(data))
            except binascii.Error:
                picture = None
            # Two words or one are what a program calls it ("Picture 3"), more were written.
            if picture is None or len(name.split()) > 2:
                made += _texts(name)
            made += [picture] if picture else []
            made += _texts(after)
        return made

    def of_workbook(self, file: Path) -> list[Block]:
        """They lie above the cells, at no place in the text."""
        with zipfile.ZipFile(file) as archive:
            names = sorted(n for n in archive.namelist() if n.startswith("xl/media/"))
            made = [self._picture(archive.read(name)) for name in names]
        return [one for one in made if one is not None]

    def _picture(self, data: bytes) -> Block | None:
        """None for what is too small to show anything, too large, or not to be read."""
        name = f"picture-{hashlib.sha256(data).hexdigest()[:16]}.png"
        if name not in self._kept:
            if len(self._kept) >= MOST_PICTURES or not self._keep(data, name):
                return None
            self._kept.add(name)
        return Block("image", image=name)

    def _keep(self, data: bytes, name: str) -> bool:
        from PIL import Image

        # The limit is ours, and comes before anything is decoded.
        Image.MAX_IMAGE_PIXELS = None
        try:
            with Image.open(io.BytesIO(data), formats=_PICTURES) as picture:
                width, height = picture.size
                if min(width, height) < self._request.image_side:
                    return False
                if width * height > self._request.pixel_limit:
                    return False
                keep_picture(Path(self._request.images), name, picture)
        except (OSError, ValueError, SyntaxError, EOFError):
            return False
        return True


def without_comments(text: str) -> str:
    """Where one is not closed, what follows is kept."""
    parts, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start)) >= 0:
        parts.append(text[at:start])
        at = end + len("-->")
    return "".join([*parts, text[at:].replace("<!--", "")])


def _texts(text: str) -> list[Block]:
    return markdown_blocks(_ELSEWHERE.sub(lambda found: found[1], text))


_CONVERTERS = {
    DOCX.name: "DocxConverter",
    PPTX.name: "PptxConverter",
    HTML.name: "HtmlConverter",
}


def _converter(kind: str) -> tuple[Any, Any]:
    """The one that is needed. Importing the package imports all of them, and a model that guesses
    what a file is: a second of processor time where this takes a fifth."""
    for package in ("markitdown", "markitdown.converters"):
        if package not in sys.modules:
            found = importlib.util.find_spec(package)
            bare = types.ModuleType(package)
            bare.__path__ = list(found.submodule_search_locations or []) if found else []
            sys.modules[package] = bare
    own = importlib.import_module(f"markitdown.converters._{kind.lower()}_converter")
    info = importlib.import_module("markitdown._stream_info")
    return getattr(own, _CONVERTERS[kind])(), info.StreamInfo


def _markdown(file: Path, request: Extraction, kind: str) -> str:
    converter, kind_of_stream = _converter(kind)
    stream: BinaryIO = io.BytesIO(file.read_bytes())
    info = kind_of_stream(extension=f".{kind.lower()}")
    if kind == HTML.name:
        # Decoded by us, as what a page says of its own encoding is often wrong.
        # Without comments: one that is not closed is looked for an end again and again.
        text = without_comments(decode(file.read_bytes(), request.name))
        stream, info = io.BytesIO(text.encode()), kind_of_stream(extension=".html", charset="utf-8")
    with _told(request):
        made = converter.convert(stream, info, keep_data_uris=True)
    return str(made.markdown)


def _cells(file: Path, request: Extraction) -> list[Block]:
    from . import workbook

    with _told(request):
        return list(workbook.blocks(file))


@contextlib.contextmanager
def _told(request: Extraction) -> Iterator[None]:
    """What a file does to the library that reads it, in words."""
    try:
        yield
    except (MemoryError, RecursionError) as error:
        told = f"{request.name} is nested too deeply, or too large: {type(error).__name__}."
        raise Unreadable("damaged_file", told) from error
    except Exception as error:
        # Converters raise whatever their libraries do; the file is what is wrong.
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise Unreadable("damaged_file", f"{request.name} can't be read: {lines[0]}") from error


def _check_packed(file: Path, request: Extraction) -> None:
    """What it says it becomes, and then what it does become: the first may be a lie."""
    name, limit = request.name, request.unpacked_limit
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        if len(parts) > MOST_PARTS:
            raise Unreadable(
                "unpacked_too_large",
                f"{name} has {len(parts)} parts; at most {MOST_PARTS} are read, more than office "
                "programs make. Save it anew with one.",
            )
        if any(part.flag_bits & 1 for part in parts):
            raise Unreadable("encrypted_file", f"{name} is encrypted. Add it without a password.")
        total = 0
        for part in parts:
            try:
                with archive.open(part) as stream:
                    head = part.filename.endswith((".xml", ".rels"))
                    while piece := stream.read(1024 * 1024):
                        if head and b"<!DOCTYPE" in piece[:_HEAD_BYTES]:
                            told = f"{part.filename} in {name} declares entities of its own"
                            raise Unreadable(
                                "damaged_file",
                                f"{told}, which no office program does. Save it anew with one.",
                            )
                        head = False
                        total += len(piece)
                        grown = total > limit or part.file_size > MOST_GROWTH * max(
                            part.compress_size, 1024
                        )
                        if grown:
                            raise Unreadable(
                                "unpacked_too_large",
                                f"{name} unpacks to more than {limit // 2**20} MiB, or grows too "
                                "much while it does (setting documents.unpacked_limit).",
                            )
            except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError) as error:
                raise Unreadable("damaged_file", f"{name} is damaged: {error}.") from error
