"""Results as a table for people and as JSON for programs."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from .statistics import Measure, ratio

Results = Mapping[str, Sequence[Measure]]


def show(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if unit == "s":
        return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"
    return f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"


def table(results: Results, title: str = "") -> Table:
    """One row a figure, one column a server; ratios say how many times better the first is."""
    names = list(results)
    made = Table(title=title or None, title_justify="left")
    made.add_column("median of the rounds")
    for name in names:
        made.add_column(name, justify="right")
    for other in names[1:]:
        made.add_column(f"{names[0]} is × better than {other}", justify="right")
    for row in _figures(results):
        found = [_named(results[name], row) for name in names]
        cells = [_cell(measure) for measure in found]
        for theirs in found[1:]:
            times = ratio(found[0], theirs) if found[0] and theirs else None
            cells.append(f"{times:.2f}" if times else "–")
        made.add_row(row, *cells)
    return made


def as_json(results: Results) -> dict[str, Any]:
    names = list(results)
    ratios: dict[str, dict[str, float]] = {}
    for other in names[1:]:
        ratios[other] = {}
        for row in _figures(results):
            ours, theirs = _named(results[names[0]], row), _named(results[other], row)
            times = ratio(ours, theirs) if ours and theirs else None
            if times:
                ratios[other][row] = times
    return {
        "servers": {name: [m.as_json() for m in found] for name, found in results.items()},
        f"{names[0]} is times better than": ratios,
    }


def faults(results: Results) -> list[str]:
    return [
        f"{name}: {measure.name}: {fault}"
        for name, found in results.items()
        for measure in found
        for fault in measure.faults
    ]


def _figures(results: Results) -> list[str]:
    return list(dict.fromkeys(m.name for found in results.values() for m in found))


def _named(measures: Sequence[Measure], name: str) -> Measure | None:
    return next((m for m in measures if m.name == name), None)


def _cell(measure: Measure | None) -> str:
    if measure is None:
        return "–"
    text = show(measure.median, measure.unit)
    return f"{text} ({len(measure.faults)} at fault)" if measure.faults else text
