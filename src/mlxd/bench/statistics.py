"""Numbers over rounds. Medians, because one slow round says more about the machine."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Better = Literal["lower", "higher"]


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie, between neighbours where it falls between."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def at_the_median_moment(gaps: Sequence[float]) -> float:
    """The gap that a random moment falls into. A few long stalls can't hide behind many short
    gaps here, as they can in the median of the gaps."""
    left = sum(gaps) / 2
    for gap in sorted(gaps):
        left -= gap
        if left <= 0:
            return gap
    raise ValueError("no gaps")


@dataclass
class Measure:
    """One figure over all rounds. A round at fault gives no value, only a line in `faults`."""

    name: str
    unit: str
    better: Better
    values: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "median": self.median}


def ratio(ours: Measure, theirs: Measure) -> float | None:
    """How many times better ours is: above 1 is better, whichever way the unit points."""
    a, b = ours.median, theirs.median
    if not a or not b:
        return None
    return b / a if ours.better == "lower" else a / b
