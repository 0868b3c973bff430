"""XLSX: each sheet's cells as a person sees them, in tables that empty rows divide."""

import datetime
import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import openpyxl

from mlxd.desk.documents.pieces import Block

from .layout import markdown_table

# Digits that a number is shown with; what a cell holds beyond them comes of counting in twos.
DIGITS = 12
_MIDNIGHT = datetime.time()


def blocks(file: Path) -> Iterator[Block]:
    data = file.read_bytes()
    shown = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    # Only what computed a file knows what comes of its formulas; where nothing has, they are shown.
    asked = openpyxl.load_workbook(io.BytesIO(data), read_only=True) if _formulas(data) else None
    for sheet in shown.worksheets:
        behind = asked[sheet.title] if asked is not None else None
        made = [block for part in _parts(_rows(sheet, behind)) for block in _blocks(part)]
        if made:
            yield Block("heading", f"## {' '.join(sheet.title.split())}")
            yield from made


def _formulas(data: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            if not name.startswith("xl/worksheets/"):
                continue
            end = b""
            with archive.open(name) as stream:
                while piece := stream.read(1024 * 1024):
                    if b"<f" in (found := end + piece) and (b"<f>" in found or b"<f " in found):
                        return True
                    end = piece[-2:]
    return False


def _rows(sheet: Any, behind: Any) -> Iterator[list[str]]:
    # As wide as what is in them: what a sheet says of its own size may be all that there can be.
    sheet.reset_dimensions()
    if behind is None:
        for row in sheet.iter_rows():
            yield [_text(cell) for cell in row]
        return
    behind.reset_dimensions()
    for row, formulas in zip(sheet.iter_rows(), behind.iter_rows(), strict=False):
        texts = [_text(cell) for cell in row]
        for i, cell in enumerate(formulas):
            if i < len(texts) and not texts[i] and isinstance(cell.value, str):
                texts[i] = cell.value
        yield texts


def _text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        if "%" in (cell.number_format or ""):
            return f"{value * 100:.{DIGITS}g}%"
        return str(value) if isinstance(value, int) else f"{value:.{DIGITS}g}"
    if isinstance(value, datetime.datetime):
        if value.time() == _MIDNIGHT:
            return value.date().isoformat()
        return value.isoformat(" ", "seconds" if value.second else "minutes")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value).strip()


def _parts(rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    """Runs of rows with something in them, without the empty columns at their left."""
    held: list[list[str]] = []
    for row in rows:
        if any(row):
            held.append(row)
        elif held:
            yield _flush(held)
            held = []
    if held:
        yield _flush(held)


def _flush(rows: list[list[str]]) -> list[list[str]]:
    first = min(next(i for i, text in enumerate(row) if text) for row in rows)
    cut = [row[first:] for row in rows]
    width = max(i + 1 for row in cut for i, text in enumerate(row) if text)
    return [row[:width] for row in cut]


def _blocks(rows: Sequence[list[str]]) -> Iterator[Block]:
    """What stands alone above a table is its title; a single column or row is text."""
    above = 0
    while above < len(rows) and sum(map(bool, rows[above])) == 1:
        above += 1
    if above:
        yield Block("text", "\n".join("".join(row) for row in rows[:above]))
    if len(rows) - above == 1:
        yield Block("text", " | ".join(text for text in rows[-1] if text))
    elif above < len(rows):
        yield Block("table", markdown_table(rows[above:]))
