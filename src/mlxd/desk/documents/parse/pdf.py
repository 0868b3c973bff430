"""PDF by PDFium: text with its place in reading order, tables, pictures, and pages that are
pictures themselves."""

import ctypes
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from mlxd.desk.documents.pieces import Block, Box, Page, Survey, Unreadable

from . import grid, layout
from .child import Extraction
from .layout import Piece
from .pages import LARGEST_PIXELS, keep, keep_picture

# Fewer characters than this on a page that a picture covers: its text is in the picture.
LITTLE_TEXT = 50
# Of the page's area, from which on a picture is the page rather than on it.
COVERS = 0.5
# Where there is no text at all, also smaller ones may hold some.
COVERS_WITHOUT_TEXT = 0.05
# Dots per inch at which a page is shown to a model: small print has a dozen dots in height.
PAGE_DPI = 150
# Smaller on the page than this (points) is an ornament, however many pixels it has.
SMALLEST_POINTS = 18.0
# Pictures of one page: more are tiles of one, or a pattern.
MOST_PICTURES = 60
# A gap between characters of more than this, in heights of the line, is a new piece.
GAP = 1.0
# A line of a table is thinner than this (points).
THIN = 2.0
DEPTH = 8
# What programs write where nobody gave a title.
NO_TITLES = {"", "untitled", "anonymous", "document", "microsoft word"}
POINTS_PER_INCH = 72


def parse(request: Extraction) -> Survey:
    document = _open(request)
    try:
        count = len(document)
        if request.only_page is not None:
            _shown(request, document, request.only_page)
            return Survey("pdf", count, paged=True)
        if count > request.page_limit:
            raise Unreadable(
                "too_many_pages",
                f"{request.name} has {count} pages, over the limit of {request.page_limit} "
                "(setting documents.page_limit).",
            )
        if count == 0:
            raise Unreadable("damaged_file", f"{request.name} has no pages.")
        readable = sum(_page(request, document, number) for number in range(1, count + 1))
        if not readable:
            raise Unreadable("damaged_file", f"None of the pages of {request.name} can be read.")
        title = (document.get_metadata_value("Title") or "").strip()
    finally:
        document.close()
    return Survey("pdf", count, paged=True, title=None if title.lower() in NO_TITLES else title)


def _open(request: Extraction) -> Any:
    try:
        document = pdfium.PdfDocument(request.file)
        if document.get_formtype() != raw.FORMTYPE_NONE:
            # Before a page is loaded: what fields hold is drawn with it then.
            document.init_forms()
        return document
    except pdfium.PdfiumError as error:
        code = getattr(error, "err_code", None)
        if code == raw.FPDF_ERR_SUCCESS:
            raise Unreadable("damaged_file", f"{request.name} has no pages.") from error
        if code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            told = f"{request.name} is encrypted. Remove its password and add it again."
            raise Unreadable("encrypted_file", told) from error
        told = f"{request.name} is a damaged PDF, or not all of it: its pages can't be found in it."
        raise Unreadable("damaged_file", told) from error


def _shown(request: Extraction, document: Any, number: int) -> None:
    """As it looks, blank ones too."""
    try:
        page = document[number - 1]
    except (pdfium.PdfiumError, IndexError) as error:
        told = f"Page {number} of {request.name} can't be read."
        raise Unreadable("damaged_file", told) from error
    name = f"page-{number:05d}.png"
    keep_picture(Path(request.images), name, _drawn(page))
    keep(Path(request.out), Page(number, [], page.get_size(), name))


def _page(request: Extraction, document: Any, number: int) -> bool:
    """Whether it could be read. One page that can't be does not take the others with it."""
    out = Path(request.out)
    try:
        page = _flat(document, number)
    except pdfium.PdfiumError:
        keep(out, Page(number))
        return False
    try:
        keep(out, _read(request, page, number))
    finally:
        page.close()
    return True


def _flat(document: Any, number: int) -> Any:
    """With what is written into its fields, and beside its text, as if that were part of it."""
    page = document[number - 1]
    if raw.FPDFPage_GetAnnotCount(page.raw) > 0:
        made = raw.FPDFPage_Flatten(page.raw, raw.FLAT_NORMALDISPLAY)
        if made == raw.FLATTEN_SUCCESS:
            page.close()
            page = document[number - 1]
    return page


def _read(request: Extraction, page: Any, number: int) -> Page:
    width, height = page.get_size()
    left, bottom, right, top = page.get_bbox()
    sheet = Sheet(left, top, right - left, top - bottom)
    shown = page.get_rotation() // 90
    text = page.get_textpage()
    try:
        written = _by_direction(text, sheet)
    finally:
        text.close()
    # Upright, as most of its text is.
    upright = max(written, key=lambda way: len(written[way]), default=shown)
    pictures, lying, standing = _objects(page, sheet, upright, shown)
    characters = sum(map(len, written.values()))
    covered = _covered([box for _, box in pictures], width, height)
    scanned = characters < LITTLE_TEXT and covered >= COVERS
    without_text = characters == 0 and (covered >= COVERS_WITHOUT_TEXT or _has_paths(page))
    if request.every_page or scanned or without_text:
        name = f"page-{number:05d}.png"
        if _render_page(request, page, name):
            rest = [(one, box) for one, box in pictures if _area(box) < COVERS * width * height]
            kept = list(_keep_pictures(request, page, number, rest)) if not scanned else []
            return Page(number, kept, (width, height), name)
    made: list[Block] = []
    # What runs up its edge, say, is read for itself.
    for way in sorted(written, key=lambda way: way != upright):
        lines = (lying, standing) if way == upright else ([], [])
        for one in _blocks(list(_pieces(written[way])), *lines):
            box = one.box and sheet.turned(one.box, way, shown)
            made.append(Block(one.kind, one.text, box, one.image))
    made += _keep_pictures(request, page, number, pictures)
    return Page(number, made, (width, height))


class Sheet(NamedTuple):
    """A page as it lies in the file, before it is turned to be shown."""

    left: float
    top: float
    width: float
    height: float

    def place(self, x0: float, y0: float, x1: float, y1: float) -> Box:
        """From its upper left corner."""
        return (x0 - self.left, self.top - y1, x1 - self.left, self.top - y0)

    def turned(self, box: Box, ahead: int, after: int) -> Box:
        """From one direction to another, both in quarters of a turn clockwise."""
        width, height = (self.width, self.height)[:: -1 if ahead % 2 else 1]
        for _ in range((after - ahead) % 4):
            box = (height - box[3], box[0], height - box[1], box[2])
            width, height = height, width
        return box


def _blocks(pieces: list[Piece], lying: list[grid.Line], standing: list[grid.Line]) -> list[Block]:
    """Tables with lines first; what is left is read by its place."""
    tables: list[tuple[Box, Block]] = []
    left = pieces
    for found in grid.grids(lying, standing):
        within = [one for one in left if grid.inside(one, found.box)]
        made = grid.table(found, within)
        if made is not None:
            tables.append((found.box, made))
            left = [one for one in left if one not in within]
    return _with_tables(left, tables) if tables else layout.blocks(left)


def _with_tables(texts: list[Piece], tables: list[tuple[Box, Block]]) -> list[Block]:
    """Text above a table, the table, text below it: bands of the page, from the top."""
    made: list[Block] = []
    rest = texts
    for box, block in sorted(tables, key=lambda one: one[0][1]):
        above = [one for one in rest if (one.box[1] + one.box[3]) / 2 < box[1]]
        made += layout.blocks(above)
        made.append(block)
        rest = [one for one in rest if one not in above]
    return made + layout.blocks(rest)


Characters = list[tuple[str, Box | None]]


def _by_direction(text: Any, sheet: Sheet) -> dict[int, Characters]:
    """The characters that are on the page, by the quarters of a turn that make them upright, and
    where they are then."""
    made: dict[int, Characters] = {}
    way = 0
    left, top, width, height = sheet
    # Each of a page's thousands passes here, nearly all of them upright.
    for i, code, place in _characters(text):
        if place is not None:
            angle = raw.FPDFText_GetCharAngle(text, i)
            # That of the line below them, and counted against the clock.
            way = -round(angle / (math.pi / 2)) % 4 if angle else 0
            box = (place[0] - left, top - place[3], place[2] - left, top - place[1])
            if box[2] < -1 or box[0] > width + 1 or box[3] < -1 or box[1] > height + 1:
                continue
            if way:
                box = sheet.turned(box, 0, way)
            made.setdefault(way, []).append((chr(code), box))
        elif way in made:
            made[way].append((chr(code), None))
    return made


def _pieces(characters: Characters) -> Iterator[Piece]:
    """Characters put together as long as they follow each other on a line."""
    held = ""
    box: list[float] = []
    space = False

    def made() -> Iterator[Piece]:
        if held.strip():
            yield Piece(held.strip(), (box[0], box[1], box[2], box[3]))

    for character, place in characters:
        if character in "\r\n":
            yield from made()
            held, box, space = "", [], False
            continue
        if character.isspace() or character == "\u00a0":
            space = bool(held)
            continue
        if place is None:
            held += character if held else ""
            continue
        if box and _breaks(box, place):
            yield from made()
            held, box, space = "", [], False
        held += (" " if space else "") + character
        space = False
        box = list(place) if not box else _grown(box, place)
    yield from made()


def _breaks(box: list[float], place: Box) -> bool:
    size = max(box[3] - box[1], place[3] - place[1], 1.0)
    overlap = min(box[3], place[3]) - max(box[1], place[1])
    if overlap < 0.2 * min(size, place[3] - place[1] or size):
        return True
    gap = place[0] - box[2]
    return gap > GAP * size or gap < -size


def _grown(box: list[float], place: Box) -> list[float]:
    return [
        min(box[0], place[0]),
        min(box[1], place[1]),
        max(box[2], place[2]),
        max(box[3], place[3]),
    ]


def _characters(
    text: Any,
) -> Iterator[tuple[int, int, tuple[float, float, float, float] | None]]:
    """Each with its number and its box: as high as its font, so that those of a line have one
    height."""
    count = text.count_chars()
    rectangle = raw.FS_RECTF()
    pointer = ctypes.byref(rectangle)
    for i in range(count):
        code = raw.FPDFText_GetUnicode(text, i)
        if code == 0:
            continue
        if 0xD800 <= code < 0xE000:
            continue
        found = raw.FPDFText_GetLooseCharBox(text, i, pointer)
        empty = rectangle.right <= rectangle.left or rectangle.top <= rectangle.bottom
        if not found or empty:
            yield i, code, None
        else:
            yield i, code, (rectangle.left, rectangle.bottom, rectangle.right, rectangle.top)


def _objects(
    page: Any, sheet: Sheet, upright: int, shown: int
) -> tuple[list[tuple[Any, Box]], list[grid.Line], list[grid.Line]]:
    """Pictures, where they are shown, and thin lines that may belong to tables, where they are to
    upright text."""
    pictures: list[tuple[Any, Box]] = []
    lying: list[grid.Line] = []
    standing: list[grid.Line] = []
    for one in page.get_objects(max_depth=DEPTH):
        if one.type not in (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_PATH):
            continue
        try:
            x0, y0, x1, y1 = one.get_bounds()
        except pdfium.PdfiumError:
            continue
        left, top, right, bottom = sheet.place(x0, y0, x1, y1)
        box: Box = (
            max(0.0, left),
            max(0.0, top),
            min(sheet.width, right),
            min(sheet.height, bottom),
        )
        if one.type == raw.FPDF_PAGEOBJ_IMAGE:
            if box[2] - box[0] >= SMALLEST_POINTS and box[3] - box[1] >= SMALLEST_POINTS:
                pictures.append((one, sheet.turned(box, 0, shown)))
        else:
            _add_lines(one, sheet.turned(box, 0, upright), lying, standing)
    return pictures, lying, standing


def _add_lines(one: Any, box: Box, lying: list[grid.Line], standing: list[grid.Line]) -> None:
    """A thin path is a line; a drawn rectangle is four."""
    wide, high = box[2] - box[0], box[3] - box[1]
    if high <= THIN < wide:
        lying.append(grid.Line((box[1] + box[3]) / 2, box[0], box[2]))
    elif wide <= THIN < high:
        standing.append(grid.Line((box[0] + box[2]) / 2, box[1], box[3]))
    elif wide > THIN and high > THIN and _is_rectangle(one):
        lying += [grid.Line(box[1], box[0], box[2]), grid.Line(box[3], box[0], box[2])]
        standing += [grid.Line(box[0], box[1], box[3]), grid.Line(box[2], box[1], box[3])]


def _is_rectangle(one: Any) -> bool:
    fill, stroke = ctypes.c_int(), raw.FPDF_BOOL()
    if not raw.FPDFPath_GetDrawMode(one, ctypes.byref(fill), ctypes.byref(stroke)):
        return False
    if not stroke.value or not 4 <= raw.FPDFPath_CountSegments(one) <= 6:
        return False
    kinds = {
        raw.FPDFPathSegment_GetType(raw.FPDFPath_GetPathSegment(one, i))
        for i in range(raw.FPDFPath_CountSegments(one))
    }
    return raw.FPDF_SEGMENT_BEZIERTO not in kinds


def _has_paths(page: Any) -> bool:
    """Letters may be drawn as shapes."""
    shapes = (raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_SHADING)
    return any(one.type in shapes for one in page.get_objects(max_depth=DEPTH))


def _covered(boxes: list[Box], width: float, height: float) -> float:
    """Of the page, by pictures; scans may come in strips. Overlaps count twice, which harms
    nothing here."""
    return min(1.0, sum(_area(box) for box in boxes) / max(width * height, 1.0))


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _render_page(request: Extraction, page: Any, name: str) -> bool:
    """False for a page on which there is nothing to be seen."""
    picture = _drawn(page)
    low, high = picture.convert("L").getextrema()
    if high - low < 8:
        return False
    keep_picture(Path(request.images), name, picture)
    return True


def _drawn(page: Any) -> Any:
    width, height = page.get_size()
    scale = PAGE_DPI / POINTS_PER_INCH
    pixels = width * height * scale * scale
    if pixels > LARGEST_PIXELS:
        scale *= (LARGEST_PIXELS / pixels) ** 0.5
    return page.render(scale=scale).to_pil()


def _keep_pictures(
    request: Extraction, page: Any, number: int, pictures: list[tuple[Any, Box]]
) -> Iterator[Block]:
    kept = 0
    for one, box in sorted(pictures, key=lambda pair: (round(pair[1][1]), pair[1][0])):
        if kept >= MOST_PICTURES:
            return
        picture = _cut(request, page, one, box)
        if picture is None or min(picture.size) < request.image_side:
            continue
        kept += 1
        name = f"picture-{number:05d}-{kept:03d}.png"
        keep_picture(Path(request.images), name, picture)
        yield Block("image", box=box, image=name)


def _cut(request: Extraction, page: Any, one: Any, box: Box) -> Any:
    """As it is stored, where that is sane; otherwise as it looks on the page."""
    try:
        wide, high = one.get_px_size()
    except pdfium.PdfiumError:
        wide = high = 0
    if 0 < wide * high <= min(request.pixel_limit, LARGEST_PIXELS * 4):
        try:
            return one.get_bitmap(render=True, scale_to_original=True).to_pil()
        except (pdfium.PdfiumError, ValueError, RuntimeError):
            pass
    scale = 2 * PAGE_DPI / POINTS_PER_INCH
    pixels = _area(box) * scale * scale
    if pixels > LARGEST_PIXELS:
        scale *= (LARGEST_PIXELS / pixels) ** 0.5
    width, height = page.get_size()
    crop = (box[0], height - box[3], width - box[2], box[1])
    try:
        return page.render(scale=scale, crop=crop).to_pil()
    except (pdfium.PdfiumError, ValueError):
        return None
