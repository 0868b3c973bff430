"""Jobs as they go on, in a terminal: a bar for all of them, and one for each that is worked on."""

from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

UNFINISHED = ("running", "queued", "waiting", "paused")
OVER = ("done", "failed", "cancelled")
LONGEST_NAME = 40
# Of the screen, beside the bars of jobs: the bar of all, and a line that was printed.
OTHER_LINES = 3
LEAST_BARS = 3

Job = Mapping[str, Any]


def line(job: Job) -> str:
    far = f"  {job['done']}/{job['total']}" if job["total"] and job["state"] == "running" else ""
    why = f"  {job['reason']}" if job["reason"] else ""
    return f"{job['id']}  {job['state']:9}  {named(job)}{far}{why}"


def named(job: Job) -> str:
    return str(job["name"]) if job["kind"] == "document" else f"{job['name']} ({job['kind']})"


class Board:
    """`over` is the line of a job that has ended, if it gets one; with `lines`, each change is one
    where there is no terminal for bars. Nothing stays on the screen of the bars themselves."""

    def __init__(
        self, over: Callable[[Job], str | None], *, quiet: bool = False, lines: bool = False
    ) -> None:
        self.console = Console(stderr=True)
        self._lines = lines and not self.console.is_terminal
        self._over = over
        self._left: dict[str, Job] = {}
        self._ended = 0
        self._shown: dict[str, TaskID] = {}
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}", style="progress.remaining"),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
            disable=quiet or not self.console.is_terminal,
        )
        self._all = self._bars.add_task("all", total=0, left="", note="")
        self._count()

    def __enter__(self) -> "Board":
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    @property
    def left(self) -> int:
        return len(self._left)

    def expect(self, job: str) -> None:
        """One of which nothing has been heard yet."""
        self._left.setdefault(job, {"id": job, "state": "queued"})
        self._count()

    def tell(self, job: Job) -> None:
        before = self._left.pop(job["id"], None)
        if job["state"] in OVER:
            self._ended += 1
            told = self._over(job)
            if told is not None:
                self.console.print(Text(told), soft_wrap=True)
        else:
            self._left[job["id"]] = job
            if self._lines and before and before["state"] != job["state"]:
                self.console.print(Text(line(job)), soft_wrap=True)
        self._draw()
        self._count()

    def _draw(self) -> None:
        """Those that are worked on first, and as many as fit."""
        room = max(LEAST_BARS, self.console.size.height - OTHER_LINES)
        order = {"running": 0, "waiting": 1, "paused": 2}
        wanted = [j for j in self._left.values() if j["state"] in order and j.get("name")]
        wanted = sorted(wanted, key=lambda job: order[job["state"]])[:room]
        visible = {job["id"] for job in wanted}
        for gone in [one for one in self._shown if one not in visible]:
            self._bars.remove_task(self._shown.pop(gone))
        for job in wanted:
            if job["id"] not in self._shown:
                name = escape(_short(named(job)))
                self._shown[job["id"]] = self._bars.add_task(name, total=None, left="", note="")
            note = f"{job['state']}: {job['reason']}" if job["reason"] else job["step"]
            note = note or (job["state"] if job["state"] != "running" else "")
            self._bars.update(
                self._shown[job["id"]],
                completed=job["done"],
                total=job["total"],
                left=_clock(job["seconds_left"]),
                note=escape(note),
            )

    def _count(self) -> None:
        counts = Counter(job["state"] for job in self._left.values())
        told = ", ".join(f"{counts[one]} {one}" for one in UNFINISHED if counts[one])
        self._bars.update(
            self._all,
            completed=self._ended,
            total=self._ended + len(self._left),
            note=told or "nothing is left to read; Ctrl-C to end",
        )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
