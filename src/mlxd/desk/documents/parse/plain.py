"""Text and Markdown: there is nothing in them that could run away with a parser."""

import re
from pathlib import Path

import msgspec

from mlxd.desk.documents.files import write
from mlxd.desk.documents.pieces import Block, Page, Survey, Unreadable, page_file

from . import encodings

_HEADING = re.compile(r"#{1,6}\s+\S")
_FENCE = re.compile(r"\s*(```|~~~)")
_TABLE_ROW = re.compile(r"\s*\|.*\|\s*")
# A densely printed page, in the widest encoding.
PAGE_BYTES = 8_000
# Read in the desk itself up to here, a few milliseconds. Nobody else there goes on meanwhile.
SMALL_BYTES = 256 * 1024


def decode(data: bytes, name: str) -> str:
    text = encodings.decoded(data)
    if "\0" in text:
        raise Unreadable("unsupported_file", f"{name} is no text: it has zero bytes.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse(file: Path, name: str, page_limit: int) -> tuple[Survey, list[Page]]:
    pages = file.stat().st_size // PAGE_BYTES
    if pages > page_limit:
        told = f"{name} has text for {pages} pages, over the limit of {page_limit}"
        raise Unreadable("too_many_pages", f"{told} (setting documents.page_limit).")
    blocks = markdown_blocks(decode(file.read_bytes(), name))
    if not blocks:
        raise Unreadable("empty_file", f"{name} has no text in it.")
    title = next((one.text.lstrip("# ") for one in blocks if one.kind == "heading"), None)
    return Survey("text", 1, title=title), [Page(1, blocks)]


def survey(file: Path, name: str, page_limit: int, out: Path) -> Survey:
    """The pages as files."""
    made, pages = parse(file, name, page_limit)
    for page in pages:
        write(out / page_file(page.number), msgspec.json.encode(page))
    return made


def markdown_blocks(text: str) -> list[Block]:
    """Paragraphs, headings and tables. What is fenced stays whole."""
    blocks: list[Block] = []
    lines: list[str] = []
    fence = ""

    def close() -> None:
        if any(line.strip() for line in lines):
            body = "\n".join(lines).strip("\n")
            table = len(lines) > 1 and all(_TABLE_ROW.fullmatch(line) for line in lines)
            heading = len(lines) == 1 and _HEADING.match(body) is not None
            kind = "table" if table else "heading" if heading else "text"
            blocks.append(Block(kind, body))  # type: ignore[arg-type]
        lines.clear()

    for line in text.split("\n"):
        if fence:
            lines.append(line)
            if line.strip().startswith(fence):
                fence = ""
            continue
        opened = _FENCE.match(line)
        if opened:
            fence = opened[1]
            lines.append(line)
            continue
        row = _TABLE_ROW.fullmatch(line) is not None
        was_row = bool(lines) and _TABLE_ROW.fullmatch(lines[-1]) is not None
        if not line.strip() or _HEADING.match(line) or (bool(lines) and row != was_row):
            close()
        if line.strip():
            lines.append(line)
        if _HEADING.match(line):
            close()
    close()
    return blocks
