"""From pieces of lines to blocks in the order in which people read them.

A region is split at a gutter into columns where it has one, and otherwise into paragraphs. What
crosses the gutter (a title, a wide table) stands between the columns' stretches, above or below.
"""

import itertools
import re
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from mlxd.desk.documents.pieces import Block, Box

# In heights of a line. A gap between words is a quarter of one; a gutter is wider than one.
GUTTER = 1.0
# Lines further apart than this begin a new paragraph.
PARAGRAPH = 0.75
# Larger than the page's usual text by this much, and short: a heading.
HEADING = 1.15
HEADING_CHARACTERS = 160
# Rows with the same columns, from which on they are a table and not text in columns.
TABLE_ROWS = 3
# Of the characters in a cell: columns of text are wider.
CELL_CHARACTERS = 32
# Shorter than any line of a column, but its last.
SHORT_CELL = 16

_DENSE_END = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]$")
_DENSE_START = re.compile(r"^[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")
_HYPHENS = "\u00ad\u2010\u0002\ufffe-"


class Piece(NamedTuple):
    """A run of text on one line, without a wide gap in it."""

    text: str
    box: Box

    @property
    def height(self) -> float:
        return self.box[3] - self.box[1]


def blocks(pieces: Sequence[Piece]) -> list[Block]:
    if not pieces:
        return []
    usual = median(one.height for one in pieces)
    return _region(list(pieces), usual)


def _region(pieces: list[Piece], usual: float) -> list[Block]:
    found = rows(pieces)
    made: list[Block] = []
    for kind, part in stretches(found, usual):
        if kind == "table":
            made.append(_table(part))
        elif kind == "columns":
            for column in columns(part):
                made += _region(column, usual)
        else:
            made += _paragraphs(part, usual)
    return made


def rows(pieces: list[Piece]) -> list[list[Piece]]:
    """Pieces at the same height, from the left."""
    rows: list[list[Piece]] = []
    for one in sorted(pieces, key=lambda p: ((p.box[1] + p.box[3]) / 2, p.box[0])):
        middle = (one.box[1] + one.box[3]) / 2
        if rows and _within(middle, rows[-1]):
            rows[-1].append(one)
        else:
            rows.append([one])
    return [sorted(row, key=lambda p: p.box[0]) for row in rows]


def _within(middle: float, row: list[Piece]) -> bool:
    first = row[0]
    return first.box[1] <= middle <= first.box[3] or any(
        abs(middle - (p.box[1] + p.box[3]) / 2) < 0.3 * p.height for p in row
    )


def stretches(rows: list[list[Piece]], usual: float) -> list[tuple[str, list[list[Piece]]]]:
    """Runs of rows that belong together: a table, text in columns, or text."""
    made: list[tuple[str, list[list[Piece]]]] = []
    at = 0
    while at < len(rows):
        end = _table_end(rows, at)
        if end - at >= TABLE_ROWS:
            made.append(("table", rows[at:end]))
            at = end
            continue
        end = _columns_end(rows, at, usual)
        # The last line of a paragraph is no column, when what is beside it is a table below it.
        below = next((i for i in range(at + 1, end) if _short_cells(rows[i:end])), end)
        if below < end:
            end = _columns_end(rows[:below], at, usual)
        if end > at:
            made.append(("columns", rows[at:end]))
            at = end
            continue
        if made and made[-1][0] == "text":
            made[-1][1].append(rows[at])
        else:
            made.append(("text", [rows[at]]))
        at += 1
    return made


def _table_end(rows: list[list[Piece]], at: int) -> int:
    """Where the rows that share the columns of this one end."""
    first = rows[at]
    if len(first) < 2:
        return at
    end = at
    while end < len(rows) and _same_columns(first, rows[end]):
        end += 1
    cells = [one for row in rows[at:end] for one in row]
    # Text in two columns has rows of two long pieces; a table's cells are short, on the whole.
    return end if median(len(one.text) for one in cells) <= CELL_CHARACTERS else at


def _short_cells(rows: list[list[Piece]]) -> bool:
    """Whether a table begins here whose cells are words and numbers, and can't be columns."""
    first = rows[:TABLE_ROWS]
    return (
        len(first) == TABLE_ROWS
        and len(first[0]) > 1
        and all(_same_columns(first[0], row) for row in first)
        and all(len(one.text) <= SHORT_CELL for row in first for one in row)
    )


def _same_columns(first: list[Piece], other: list[Piece]) -> bool:
    """The same number of pieces, each above or below its counterpart."""
    return len(first) == len(other) and all(
        a.box[0] < b.box[2] and b.box[0] < a.box[2] for a, b in zip(first, other, strict=True)
    )


def _columns_end(rows: list[list[Piece]], at: int, usual: float) -> int:
    """How far a gutter goes that begins in this row; `at` where there is none."""
    # Not always in the first row: a column may begin higher than the one beside it.
    gutters = (_gutter(row, usual) for row in rows[at:])
    gutter = next((one for one in gutters if one is not None), None)
    if gutter is None or _crosses(rows[at], gutter):
        return at
    end = at
    both = 0
    low, high = gutter
    for row in rows[at:]:
        if _crosses(row, (low, high)):
            narrowed = _narrowed(row, (low, high), usual)
            if narrowed is None:
                break
            low, high = narrowed
        both += any(p.box[2] <= low for p in row) and any(p.box[0] >= high for p in row)
        end += 1
    # Two rows side by side may be chance.
    return end if both >= TABLE_ROWS else at


def _gutter(row: list[Piece], usual: float) -> tuple[float, float] | None:
    gaps = [
        (a.box[2], b.box[0])
        for a, b in itertools.pairwise(row)
        if b.box[0] - a.box[2] >= GUTTER * usual
    ]
    return max(gaps, key=lambda gap: gap[1] - gap[0]) if gaps else None


def _crosses(row: list[Piece], gutter: tuple[float, float]) -> bool:
    return any(p.box[0] < gutter[1] and p.box[2] > gutter[0] for p in row)


def _narrowed(
    row: list[Piece], gutter: tuple[float, float], usual: float
) -> tuple[float, float] | None:
    """What this row leaves of the gutter: ragged lines reach into it."""
    low, high = gutter
    for piece in row:
        if piece.box[0] < low < piece.box[2] < high:
            low = piece.box[2]
        elif low < piece.box[0] < high < piece.box[2]:
            high = piece.box[0]
        elif piece.box[0] < high and piece.box[2] > low:
            return None
    return (low, high) if high - low >= GUTTER * usual * 0.5 else None


def columns(rows: list[list[Piece]]) -> list[list[Piece]]:
    """Left and right of the gutter that all these rows leave free."""
    pieces = [one for row in rows for one in row]
    edges = sorted((one.box[0], one.box[2]) for one in pieces)
    best, reach = (0.0, 0.0), edges[0][1]
    for start, end in edges[1:]:
        if start - reach > best[1] - best[0]:
            best = (reach, start)
        reach = max(reach, end)
    middle = (best[0] + best[1]) / 2
    left = [one for one in pieces if one.box[0] < middle]
    right = [one for one in pieces if one.box[0] >= middle]
    return [column for column in (left, right) if column]


def _paragraphs(rows: list[list[Piece]], usual: float) -> list[Block]:
    lines = [_line(row) for row in rows]
    made: list[Block] = []
    gathered: list[Piece] = []

    def close() -> None:
        if gathered:
            made.append(_block(gathered, usual))
            gathered.clear()

    for line in lines:
        if gathered and _apart(gathered, line):
            close()
        gathered.append(line)
    close()
    return made


def _apart(gathered: list[Piece], line: Piece) -> bool:
    last = gathered[-1]
    gap = line.box[1] - last.box[3]
    size = max(min(last.height, line.height), 1.0)
    # What other lines of this paragraph are apart is what counts, where there are any.
    if len(gathered) > 1:
        earlier = gathered[-1].box[1] - gathered[-2].box[3]
        if gap > earlier + 0.35 * size:
            return True
    other_size = abs(line.height - last.height) > 0.25 * size
    return gap > PARAGRAPH * size or (other_size and gap > 0.1 * size) or gap < -2 * size


def _line(row: list[Piece]) -> Piece:
    return Piece(" ".join(one.text for one in row), around([one.box for one in row]))


def _block(lines: list[Piece], usual: float) -> Block:
    text = joined([line.text for line in lines])
    size = median(line.height for line in lines)
    heading = size >= HEADING * usual and len(text) <= HEADING_CHARACTERS and len(lines) <= 3
    return Block("heading" if heading else "text", text, around([line.box for line in lines]))


def joined(lines: Sequence[str]) -> str:
    """Lines of one paragraph as running text: words that were broken at the end of a line are
    whole again, and scripts without spaces get none."""
    made = ""
    for line in (one.strip() for one in lines):
        if not made or not line:
            made += line
        elif made[-1] in _HYPHENS and len(made) > 1 and made[-2].isalpha() and line[0].islower():
            made = made[:-1] + line
        elif _DENSE_END.search(made) and _DENSE_START.match(line):
            made += line
        else:
            made += " " + line
    return made


def _table(rows: list[list[Piece]]) -> Block:
    cells = [[one.text for one in row] for row in rows]
    return Block("table", markdown_table(cells), around([p.box for row in rows for p in row]))


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    width = max(len(row) for row in rows)
    plain = [
        [" ".join(cell.split()).replace("|", "\\|") for cell in row] + [""] * (width - len(row))
        for row in rows
    ]
    head, *body = plain
    lines = [head, ["---"] * width, *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def around(boxes: Sequence[Box]) -> Box:
    return (
        min(one[0] for one in boxes),
        min(one[1] for one in boxes),
        max(one[2] for one in boxes),
        max(one[3] for one in boxes),
    )
