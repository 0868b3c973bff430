"""DOCX, PPTX, XLSX and HTML become Markdown by MarkItDown, and Markdown becomes blocks."""

import io
import re
import zipfile
from pathlib import Path
from typing import BinaryIO

from mlxd.desk.documents.kinds import DOCX, HTML, PPTX, XLSX, recognise
from mlxd.desk.documents.pieces import Block, Page, Survey, Unreadable

from .child import Extraction
from .pages import keep
from .plain import decode, markdown_blocks

# Packed files with more parts than this are made to keep a reader busy.
MOST_PARTS = 20_000
# Text compresses to a tenth, drawings to a hundredth; a part that grows more than this is a bomb.
MOST_GROWTH = 1_000
_SLIDE = re.compile(r"<!--\s*Slide number:\s*(\d+)\s*-->")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
# Pictures inside are named here by where they were; nobody could follow that.
_PICTURE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")


def parse(request: Extraction) -> Survey:
    file = Path(request.file)
    kind = recognise(file, request.name)
    if kind is not HTML:
        _check_packed(file, request)
    markdown = _markdown(file, request, kind.name)
    parts = _SLIDE.split(markdown) if kind is PPTX else [markdown]
    # What stands before the first slide's mark is nothing; then number and text take turns.
    texts = parts[2::2] if len(parts) > 1 else parts
    pages = [Page(n, _blocks(text)) for n, text in enumerate(texts, 1)]
    if not any(page.blocks for page in pages):
        raise Unreadable("empty_file", f"{request.name} has no text in it.")
    if len(pages) > request.page_limit:
        raise Unreadable("too_many_pages", f"{request.name} has {len(pages)} slides.")
    for page in pages:
        keep(Path(request.out), page)
    title = next(
        (b.text.lstrip("# ") for p in pages for b in p.blocks if b.kind == "heading"), None
    )
    return Survey(kind.name.lower(), len(pages), paged=kind is PPTX, title=title)


def _blocks(text: str) -> list[Block]:
    plain = _PICTURE.sub(lambda found: found[1], _COMMENT.sub("", text))
    return markdown_blocks(plain)


def _markdown(file: Path, request: Extraction, kind: str) -> str:
    from markitdown import StreamInfo
    from markitdown.converters import (
        DocxConverter,
        HtmlConverter,
        PptxConverter,
        XlsxConverter,
    )

    converters = {
        DOCX.name: DocxConverter,
        PPTX.name: PptxConverter,
        XLSX.name: XlsxConverter,
        HTML.name: HtmlConverter,
    }
    stream: BinaryIO = io.BytesIO(file.read_bytes())
    info = StreamInfo(extension=f".{kind.lower()}")
    if kind == HTML.name:
        # Decoded by us, as what a page says of its own encoding is often wrong.
        text = decode(file.read_bytes(), request.name)
        stream, info = io.BytesIO(text.encode()), StreamInfo(extension=".html", charset="utf-8")
    try:
        made = converters[kind]().convert(stream, info)
    except (MemoryError, RecursionError) as error:
        told = f"{request.name} is nested too deeply, or too large: {type(error).__name__}."
        raise Unreadable("damaged_file", told) from error
    except Exception as error:
        # Converters raise whatever their libraries do; the file is what is wrong.
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise Unreadable("damaged_file", f"{request.name} can't be read: {lines[0]}") from error
    return made.markdown


def _check_packed(file: Path, request: Extraction) -> None:
    """What it says it becomes, and then what it does become: the first may be a lie."""
    name, limit = request.name, request.unpacked_limit
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        if len(parts) > MOST_PARTS:
            raise Unreadable("unpacked_too_large", f"{name} has {len(parts)} parts.")
        if any(part.flag_bits & 1 for part in parts):
            raise Unreadable("encrypted_file", f"{name} is encrypted. Add it without a password.")
        total = 0
        for part in parts:
            try:
                with archive.open(part) as stream:
                    while piece := stream.read(1024 * 1024):
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
