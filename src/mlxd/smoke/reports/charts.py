"""Charts as inline SVG: rounds as a strip, latencies, servers by checks."""

import math
from html import escape

from ..result import CheckResult, Report, Run
from .texts import Texts

CELL = 10
GAP = 2
BAR_HEIGHT = 90
BAR_WIDTH = 26
# Each bar's latencies are up to twice those of the one before, from this one on.
FIRST_BAR_S = 0.0625


def strip(check: CheckResult, say: Texts) -> str:
    """A cell a round; what is under the pointer is told by its title."""
    width = max(1, len(check.rounds)) * (CELL + GAP)
    cells = "".join(
        f'<rect class="{one.verdict}" x="{place * (CELL + GAP)}" y="0" width="{CELL}" '
        f'height="{CELL}"><title>{one.number}: {one.verdict} {one.seconds:.2f} s '
        f"{escape(say.told(one.message))}</title></rect>"
        for place, one in enumerate(check.rounds)
    )
    told = f"{check.passed}/{len(check.judged)} {say('passed')}"
    label = f'role="img" aria-label="{escape(told)}"'
    return f'<svg width="{width}" height="{CELL}" {label}>{cells}</svg>'


def latency(run: Run, say: Texts) -> str:
    """How many rounds took how long."""
    seconds = [one.seconds for check in run.checks for one in check.judged]
    if not seconds:
        return "<p>-</p>"
    places = [max(0, math.ceil(math.log2(max(one, 1e-6) / FIRST_BAR_S))) for one in seconds]
    counts = [places.count(place) for place in range(max(places) + 1)]
    most = max(counts)
    bars = []
    for place, count in enumerate(counts):
        height = round(BAR_HEIGHT * count / most)
        x, y = place * (BAR_WIDTH + 14), 14 + BAR_HEIGHT - height
        limit = f"{FIRST_BAR_S * 2**place:g}"
        bars.append(
            f'<rect class="PASS" x="{x}" y="{y}" width="{BAR_WIDTH}" height="{height}"></rect>'
            f'<text x="{x}" y="{y - 3}">{count or ""}</text>'
            f'<text x="{x}" y="{BAR_HEIGHT + 28}">≤{limit}</text>'
        )
    width = len(counts) * (BAR_WIDTH + 14) + 20
    title = escape(f"{say('rounds')} / {say('seconds')}")
    return (
        f'<svg width="{width}" height="{BAR_HEIGHT + 36}" role="img"><title>{title}</title>'
        f"{''.join(bars)}</svg>"
    )


def heat_map(report: Report, say: Texts) -> str:
    """Servers by checks; the colour is the verdict, its strength the share of rounds passed."""
    ids = list(dict.fromkeys(check.id for run in report.runs for check in run.checks))
    left, top, wide, high = 190, 22, 130, 18
    parts = [
        f'<text x="{left + column * wide}" y="14">{escape(run.target.name[:18])}</text>'
        for column, run in enumerate(report.runs)
    ]
    for row, name in enumerate(ids):
        y = top + row * high
        parts.append(f'<text x="0" y="{y + 12}">{name}</text>')
        for column, run in enumerate(report.runs):
            check = next((one for one in run.checks if one.id == name), None)
            if check is not None:
                parts.append(_heat(check, left + column * wide, y, wide - GAP, high - GAP, say))
    width, height = left + len(report.runs) * wide, top + len(ids) * high
    label = f'role="img" aria-label="{escape(say("compare"))}"'
    return f'<svg width="{width}" height="{height}" {label}>{"".join(parts)}</svg>'


def _heat(check: CheckResult, x: int, y: int, width: int, height: int, say: Texts) -> str:
    judged = len(check.judged)
    share = check.passed / judged if judged else 0.0
    strength = share if check.verdict == "PASS" else 1 - share
    told = f"{check.verdict} {check.passed}/{judged} {say.category(check.category)}".strip()
    opacity = 0.15 if check.verdict == "SKIPPED" else 0.35 + 0.65 * strength
    return (
        f'<rect class="{check.verdict}" x="{x}" y="{y}" width="{width}" height="{height}" '
        f'opacity="{opacity:.2f}"><title>{escape(check.id)}: {escape(told)}</title></rect>'
        f'<text x="{x + 4}" y="{y + 12}">{check.verdict} {check.passed}/{judged}</text>'
    )
