"""Tables with drawn lines: where the lines cross are the cells."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from mlxd.desk.documents.pieces import Block, Box

from .layout import Piece, around, joined, markdown_table

# Lines nearer to each other than this are one (points).
SAME = 3.0
# A table has at least so many lines in each direction; fewer are a frame or an underline.
LINES = 3


class Line(NamedTuple):
    """`at`: its height when it lies, its distance from the left when it stands."""

    at: float
    start: float
    end: float


class Grid(NamedTuple):
    box: Box
    across: list[float]
    down: list[float]


# Of lines that may touch: a second's work. A page full of small cells has a tenth of it.
MOST_PAIRS = 1_000_000


def grids(lying: Sequence[Line], standing: Sequence[Line]) -> list[Grid]:
    """Groups of lines that touch each other; none in a drawing, which has lines without end."""
    found: list[Grid] = []
    if len(lying) * len(standing) > MOST_PAIRS:
        return found
    for group_l, group_s in _groups(list(lying), list(standing)):
        across = _levels([line.at for line in group_l])
        down = _levels([line.at for line in group_s])
        if len(across) >= 2 and len(down) >= 2 and len(across) + len(down) >= LINES * 2 - 1:
            found.append(Grid((down[0], across[0], down[-1], across[-1]), across, down))
    return found


def _groups(lying: list[Line], standing: list[Line]) -> list[tuple[list[Line], list[Line]]]:
    lines = [(True, one) for one in lying] + [(False, one) for one in standing]
    owner = list(range(len(lines)))

    def root(i: int) -> int:
        while owner[i] != i:
            owner[i] = owner[owner[i]]
            i = owner[i]
        return i

    for i, (flat, one) in enumerate(lines):
        if not flat:
            continue
        for j, (other_flat, other) in enumerate(lines):
            if not other_flat and _touch(one, other):
                owner[root(i)] = root(j)
    groups: dict[int, tuple[list[Line], list[Line]]] = {}
    for i, (flat, one) in enumerate(lines):
        group = groups.setdefault(root(i), ([], []))
        group[0 if flat else 1].append(one)
    return list(groups.values())


def _touch(lying: Line, standing: Line) -> bool:
    return (
        lying.start - SAME <= standing.at <= lying.end + SAME
        and standing.start - SAME <= lying.at <= standing.end + SAME
    )


def _levels(values: Sequence[float]) -> list[float]:
    made: list[float] = []
    for value in sorted(values):
        if not made or value - made[-1] > SAME:
            made.append(value)
    return made


def table(grid: Grid, pieces: Sequence[Piece]) -> Block | None:
    """None where too few of its cells hold anything: a chart, or a page in a frame."""
    rows, columns = len(grid.across) - 1, len(grid.down) - 1
    cells: list[list[list[Piece]]] = [[[] for _ in range(columns)] for _ in range(rows)]
    for one in pieces:
        row = _place(grid.across, (one.box[1] + one.box[3]) / 2)
        column = _place(grid.down, (one.box[0] + one.box[2]) / 2)
        if row is None or column is None:
            return None
        cells[row][column].append(one)
    filled = sum(bool(cell) for row in cells for cell in row)
    if rows * columns < 2 or filled < max(2, rows * columns // 4):
        return None
    texts = [[_text(cell) for cell in row] for row in cells]
    texts = [row for row in texts if any(row)]
    return Block("table", markdown_table(texts), around([grid.box]))


def _text(cell: list[Piece]) -> str:
    return joined([one.text for one in sorted(cell, key=lambda p: (round(p.box[1]), p.box[0]))])


def _place(levels: Sequence[float], value: float) -> int | None:
    for i, (low, high) in enumerate(itertools.pairwise(levels)):
        if low - SAME <= value <= high + SAME:
            return i
    return None


def inside(piece: Piece, box: Box) -> bool:
    x, y = (piece.box[0] + piece.box[2]) / 2, (piece.box[1] + piece.box[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]
