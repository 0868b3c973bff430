"""The numbers to reach, each judged against what was measured in the same run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from mlxd.bench import Measure, ratio

# checkpoint → server → figures
Runs = Mapping[str, Mapping[str, Sequence[Measure]]]

OURS = "mlxd"
PLAIN, QUANTISED = "text-42m", "text-42m-q4"
# How many times the neighbours' throughput, by clients.
PLAIN_TIMES = {1: 2.5, 4: 4.0, 8: 6.0}
QUANTISED_TIMES = {1: 10.0, 4: 30.0, 8: 50.0}


@dataclass(frozen=True)
class Bar:
    what: str
    wanted: str
    measured: str
    met: bool | None

    def as_json(self) -> dict[str, Any]:
        return {
            "what": self.what, "wanted": self.wanted, "measured": self.measured, "met": self.met,
        }  # fmt: skip


def find(measures: Sequence[Measure], name: str) -> Measure | None:
    return next((m for m in measures if m.name == name), None)


def at_least(what: str, wanted: float, got: float | None, unit: str = "×") -> Bar:
    if got is None:
        return Bar(what, f"≥ {wanted:g} {unit}", "not measured", None)
    return Bar(what, f"≥ {wanted:g} {unit}", f"{got:.3g} {unit}", got >= wanted)


def below(what: str, wanted: float, got: float | None, unit: str) -> Bar:
    if got is None:
        return Bar(what, f"< {wanted:g} {unit}", "not measured", None)
    return Bar(what, f"< {wanted:g} {unit}", f"{got:.3g} {unit}", got < wanted)


def against(runs: Runs, checkpoint: str, other: str, figure: str, wanted: float) -> Bar:
    of_checkpoint = runs.get(checkpoint, {})
    ours = find(of_checkpoint.get(OURS, ()), figure)
    theirs = find(of_checkpoint.get(other, ()), figure)
    times = ratio(ours, theirs) if ours and theirs else None
    return at_least(f"{checkpoint}: {figure}, times better than {other}", wanted, times)


def beside_others(runs: Runs) -> list[Bar]:
    bars = []
    for checkpoint, first, times in ((PLAIN, 8.0, PLAIN_TIMES), (QUANTISED, 80.0, QUANTISED_TIMES)):
        others = [name for name in runs.get(checkpoint, {}) if name != OURS]
        for other in others:
            bars.append(against(runs, checkpoint, other, "first token, 600-token prompt", first))
            for clients, wanted in times.items():
                figure = f"throughput, {'1 client' if clients == 1 else f'{clients} clients'}"
                bars.append(against(runs, checkpoint, other, figure, wanted))
    return bars


def of_ourselves(runs: Runs) -> list[Bar]:
    ours = runs.get(PLAIN, {}).get(OURS, ())

    def median(name: str) -> float | None:
        found = find(ours, name)
        return found.median if found else None

    return [
        at_least("second turn of a 2,000-token chat, first token sooner by", 10, median("second turn sooner, 2000-token chat")),  # noqa: E501
        below("gap between tokens grows while 4,000 tokens are prefilled, by", 3, median("gap grows, 4000-token prefill running"), "×"),  # noqa: E501
        below("the same, at the median moment instead of the median gap", 3, median("gap at the median moment grows, 4000-token prefill running"), "×"),  # noqa: E501
        at_least("short request's first token before the long one's, by", 1, median("short request before the long one")),  # noqa: E501
    ]  # fmt: skip


def of_bare(runs: Runs, bare: Mapping[str, Any] | None) -> Bar:
    """Served against bare: both with the prompts' prefill counted, 8 rows, the same lengths."""
    served = find(runs.get(PLAIN, {}).get(OURS, ()), "throughput, 8 clients")
    share = None
    if served and served.median and bare:
        share = served.median / bare["throughput tok/s"]
    return at_least("served throughput at 8 clients, of a bare loop's", 0.85, share, "")


def of_starts(starts: Mapping[str, Measure]) -> Bar:
    ours, theirs = starts.get(OURS), starts.get("mlx_lm.server")
    share = None
    if ours and theirs and ours.median and theirs.median:
        share = ours.median / theirs.median
    what = "process start to first answered token, of mlx_lm.server's"
    if share is None:
        return Bar(what, "≤ 0.8", "not measured", None)
    return Bar(what, "≤ 0.8", f"{share:.3g}", share <= 0.8)


def table(bars: Sequence[Bar], doubt: str = "") -> Table:
    title = f"Numbers to reach ({doubt})" if doubt else "Numbers to reach"
    made = Table(title=title, title_justify="left")
    for column in ("what", "wanted", "measured", "met"):
        made.add_column(column)
    word = {True: "yes", False: "NO", None: "–"}
    for bar in bars:
        made.add_row(bar.what, bar.wanted, bar.measured, word[bar.met])
    return made
