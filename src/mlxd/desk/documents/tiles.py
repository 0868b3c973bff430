"""A picture of a page in parts that a model reads well: in reading order, cut where nothing is
printed, so that no line is lost or read twice."""

import io
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .parse import layout
from .parse.layout import Piece

# What a vision model takes for a picture grows with the square of its size: many small parts are
# read sooner than one large one, and no worse.
TILE_PIXELS = 80_000
# White around a tile: print at the very edge is read badly.
EDGE = 12
# Darker than paper by this much, of 255, is ink. Scans have grey paper.
CONTRAST = 48
# Of a row's pixels: fewer are dust.
DUST = 0.0015
# A line is at least this high, in pixels; lower ones are rules and dots.
LOWEST = 5
# Where print leaves no free row: how much of the tile before is read again, to find the seam.
OVERLAP = 0.15

# A frame's sides are drawn over this much of its width and height.
DRAWN = 0.6
# Of the picture, which a frame with its corners may take from each side.
DEEPEST = 0.2

Mask = NDArray[np.bool_]


class Part(NamedTuple):
    """`lines`: where its lines stand, from the top. `torn`: its upper edge cuts through print."""

    left: int
    top: int
    right: int
    bottom: int
    lines: list[tuple[int, int, int, int]]
    torn: bool = False


def parts(picture: Image.Image) -> list[Part]:
    ink = _ink(picture)
    if not ink.any():
        return []
    left, top, right, bottom = _unframed(ink)
    within = np.zeros_like(ink)
    within[top:bottom, left:right] = ink[top:bottom, left:right]
    if (right - left) * (bottom - top) <= TILE_PIXELS:
        rows = [row for region in _regions(within) for row in region]
        return [Part(left, top, right, bottom, [_box(row) for row in rows])]
    return [part for region in _regions(within) for part in _tiles(region, within)]


def unframed(picture: Image.Image) -> Image.Image:
    """What is within a frame, where there is nothing around it: a model may take its sides for
    letters, and read nothing else."""
    box = _unframed(_ink(picture))
    return picture if box == (0, 0, *picture.size) else picture.crop(box)


def _unframed(ink: Mask) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is within the frame; all of it where there is none."""
    whole = (0, 0, ink.shape[1], ink.shape[0])
    across, down = np.flatnonzero(ink.any(axis=0)), np.flatnonzero(ink.any(axis=1))
    if not len(across):
        return whole
    left, right = int(across[0]), int(across[-1]) + 1
    top, bottom = int(down[0]), int(down[-1]) + 1
    if _drawn(ink, (left, top, right, bottom)) < DRAWN:
        return whole
    # Inwards until nothing is drawn on the edge: past the sides, and past round corners.
    most = int(min(right - left, bottom - top) * DEEPEST)
    for inset in range(1, most):
        edge = (left + inset, top + inset, right - inset, bottom - inset)
        if not any(side.any() for side in _sides(ink, edge)):
            # An empty one is what the picture shows.
            return edge if ink[edge[1] : edge[3], edge[0] : edge[2]].any() else whole
    return whole


def _drawn(ink: Mask, edge: tuple[int, int, int, int]) -> float:
    return min(float(side.mean()) for side in _sides(ink, edge))


def _sides(ink: Mask, edge: tuple[int, int, int, int]) -> list[Mask]:
    left, top, right, bottom = edge
    across, down = slice(left, right), slice(top, bottom)
    return [ink[top, across], ink[bottom - 1, across], ink[down, left], ink[down, right - 1]]


def cut(picture: Image.Image, part: Part) -> bytes:
    """As PNG, with white around it."""
    inner = picture.crop((part.left, part.top, part.right, part.bottom)).convert("RGB")
    sheet = Image.new("RGB", (inner.width + 2 * EDGE, inner.height + 2 * EDGE), "white")
    sheet.paste(inner, (EDGE, EDGE))
    data = io.BytesIO()
    sheet.save(data, "PNG")
    return data.getvalue()


def halves(part: Part) -> list[Part]:
    """Above and below the middle line; the part alone where it has no two lines."""
    if len(part.lines) < 2:
        return [part]
    middle = len(part.lines) // 2
    first, second = part.lines[:middle], part.lines[middle:]
    seam = (max(one[3] for one in first) + min(one[1] for one in second)) // 2
    return [part._replace(bottom=seam, lines=first), part._replace(top=seam, lines=second)]


def _ink(picture: Image.Image) -> Mask:
    """What is printed: darker than the paper around it, or lighter on dark paper."""
    grey = np.asarray(picture.convert("L"), dtype=np.int16)
    paper = int(np.median(grey))
    mask: Mask = np.abs(grey - paper) > CONTRAST
    return mask


def _regions(ink: Mask) -> list[list[list[Piece]]]:
    """Rows of print, in groups that are read one after the other: the columns of a page each."""
    pieces = list(_pieces(ink))
    if not pieces:
        return []
    usual = float(np.median([one.height for one in pieces]))
    return _split(pieces, usual, 0)


def _split(pieces: list[Piece], usual: float, depth: int) -> list[list[list[Piece]]]:
    made: list[list[list[Piece]]] = []
    for kind, rows in layout.stretches(layout.rows(pieces), usual):
        if kind == "columns" and depth < 3:
            for column in layout.columns(rows):
                made += _split(column, usual, depth + 1)
        else:
            made.append(rows)
    return made


def _pieces(ink: Mask) -> Iterator[Piece]:
    """Runs of print on one line, without a wide gap in them. Their text is not known yet; its
    length is guessed, as tables and columns are told apart by it."""
    printed: Mask = np.asarray(ink.mean(axis=1) > DUST)
    for top, bottom in _runs(printed, 1):
        if bottom - top < LOWEST:
            continue
        high = bottom - top
        for left, right in _runs(np.asarray(ink[top:bottom].any(axis=0)), int(high * 1.2) + 1):
            text = "x" * max(1, int((right - left) / (0.5 * high)))
            yield Piece(text, (float(left), float(top), float(right), float(bottom)))


def _runs(filled: Mask, gap: int) -> list[tuple[int, int]]:
    """Where it is filled, with gaps of less than `gap` closed."""
    places = np.flatnonzero(filled)
    if not len(places):
        return []
    breaks = np.flatnonzero(np.diff(places) > gap)
    starts = [int(places[0]), *(int(places[i + 1]) for i in breaks)]
    ends = [*(int(places[i]) + 1 for i in breaks), int(places[-1]) + 1]
    return list(zip(starts, ends, strict=True))


def _box(row: list[Piece]) -> tuple[int, int, int, int]:
    left, top, right, bottom = layout.around([one.box for one in row])
    return int(left), int(top), int(right), int(bottom)


def _tiles(rows: list[list[Piece]], ink: Mask) -> Iterator[Part]:
    """As many whole lines as a tile holds, and the next ones in the next."""
    boxes = [_box(row) for row in rows]
    left = max(0, min(one[0] for one in boxes) - EDGE)
    right = min(ink.shape[1], max(one[2] for one in boxes) + EDGE)
    most = max(TILE_PIXELS // max(right - left, 1), 3 * LOWEST)
    held: list[tuple[int, int, int, int]] = []
    for box in boxes:
        if held and box[3] - held[0][1] > most:
            yield _part(left, right, held)
            held = []
        if box[3] - box[1] > most:
            yield from _torn(left, right, box, most)
        else:
            held.append(box)
    if held:
        yield _part(left, right, held)


def _part(left: int, right: int, lines: list[tuple[int, int, int, int]]) -> Part:
    return Part(left, lines[0][1], right, lines[-1][3], lines)


def _torn(left: int, right: int, box: tuple[int, int, int, int], most: int) -> Iterator[Part]:
    """Print without a free row, as on a page that was scanned askew."""
    top = box[1]
    while top < box[3]:
        bottom = min(top + most, box[3])
        yield Part(left, top, right, bottom, [], torn=top > box[1])
        if bottom == box[3]:
            return
        top = bottom - int(most * OVERLAP)
