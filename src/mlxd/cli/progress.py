"""A bar in the terminal. Apart from the command, because importing Rich takes a while."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from mlxd.catalog.pull import Event

STATES = {"resolving": "asking the hub", "verifying": "checking what is here"}


class Bar:
    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            DownloadColumn(),
            TextColumn("{task.fields[told]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, told="")

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, event: Event) -> None:
        told = STATES.get(event.state) or event.message or speed(event)
        self._progress.update(
            self._task,
            description=event.model,
            completed=event.done,
            total=event.total,
            told=told if not event.ended else "",
        )


def speed(event: Event) -> str:
    if not event.rate:
        return ""
    left = "" if event.seconds_left is None else f", {duration(event.seconds_left)} left"
    return f"{event.rate / 1e6:.1f} MB/s{left}"


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
