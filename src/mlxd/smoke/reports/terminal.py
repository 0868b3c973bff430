"""Live progress and the summary in a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..result import CheckResult, Report, Run, Target
from .conclusion import conclusion
from .markdown import percent, rounds_of
from .texts import Lang, Texts

COLOURS = {"PASS": "green", "FAIL": "red", "ERROR": "yellow", "SKIPPED": "dim"}
# The reports have all of it.
LINE_CHARACTERS = 240
# Of the longest id of a check.
NAME_WIDTH = 26
MARKS = {"PASS": "●", "FAIL": "✗", "ERROR": "!", "SKIPPED": "·"}


class Live:
    """One line a check; in a terminal that line grows by a mark a round."""

    def __init__(self, console: Console, lang: Lang) -> None:
        self._console = console
        self._say = Texts(lang)
        self._live = console.is_terminal
        self._waited = ""

    def starting(self, model: str) -> None:
        named = f" --model {model}" if model else ""
        self._console.print(self._say("starting", named=named), markup=False, soft_wrap=True)

    def run_began(self, target: Target, results: Sequence[CheckResult]) -> None:
        name = f"{target.name}: {target.model}  {target.url}"
        self._console.print(f"\n[bold]{escape(name)}[/bold]")
        if target.others:
            told = self._say("others", count=len(target.others), names=", ".join(target.others[:8]))
            self._console.print(told, markup=False, soft_wrap=True)

    def check_began(self, result: CheckResult) -> None:
        self._show(result)

    def waiting(self, told: str) -> None:
        if told != self._waited:
            self._waited = told
            self._console.print(self._say("waiting", told=told), markup=False, soft_wrap=True)

    def round_ended(self, result: CheckResult) -> None:
        self._show(result)

    def check_ended(self, result: CheckResult) -> None:
        if self._live:
            self._console.file.write("\r\x1b[2K")
        self._console.print(self._line(result), soft_wrap=True)
        if result.verdict in ("FAIL", "ERROR"):
            worst = next((one for one in result.rounds if one.message), None)
            if worst:
                cause = self._say.category(worst.category)
                told = self._say.told(worst.message)
                text = _first_line(f"{cause}: {told}" if cause else told)
                got = f"  ← {worst.got[:100]!r}" if worst.got else ""
                self._console.print(f"      [red]{escape(text)}[/red]{escape(got)}", soft_wrap=True)

    def run_ended(self, run: Run) -> None:
        if self._live:
            self._console.file.write("\r\x1b[2K")

    def _show(self, result: CheckResult) -> None:
        if not self._live:
            return
        with self._console.capture() as held:
            self._console.print(self._strip(result), end="")
        self._console.file.write("\r\x1b[2K" + held.get())
        self._console.file.flush()

    def _strip(self, result: CheckResult) -> str:
        marks = "".join(f"[{COLOURS[r.verdict]}]{MARKS[r.verdict]}[/]" for r in result.rounds[-40:])
        return f"  …       {result.id:{NAME_WIDTH}} {marks}"

    def _line(self, result: CheckResult) -> str:
        verdict = f"[{COLOURS[result.verdict]}]{result.verdict:7}[/]"
        seconds = sum(one.seconds for one in result.rounds)
        why = f"  {escape(_first_line(self._say.told(result.reason)))}" if result.reason else ""
        return f"  {verdict} {result.id:{NAME_WIDTH}} {rounds_of(result):>6}  {seconds:6.2f} s{why}"


def _first_line(text: str) -> str:
    first, more, _ = text.partition("\n")
    return first[:LINE_CHARACTERS] + ("…" if more or len(first) > LINE_CHARACTERS else "")


def summary(console: Console, report: Report, lang: Lang) -> None:
    say = Texts(lang)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key in ("server", "model", "verdict", "passed", "failed", "errors", "skipped", "rate"):
        table.add_column(say(key))
    for run in report.runs:
        judged = len(run.checks) - run.count("SKIPPED")
        colour = COLOURS[run.verdict]
        counts = [str(run.count(one)) for one in ("PASS", "FAIL", "ERROR", "SKIPPED")]
        table.add_row(
            escape(run.target.name),
            escape(run.target.model),
            f"[{colour}]{run.verdict}[/]",
            *counts,
            percent(run.count("PASS"), judged),
        )
    console.print()
    console.print(table)
    for run in report.runs:
        if len(report.runs) > 1:
            console.print(f"\n[bold]{escape(run.target.name)}[/bold]")
        for paragraph in conclusion(run, say):
            console.print()
            console.print(paragraph, markup=False, highlight=False, soft_wrap=True)
