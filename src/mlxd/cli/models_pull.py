"""`mlxd models pull`: the download runs in a process of its own, this shows how far it is."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Protocol

from mlxd.catalog import PILOT, BrokenModel, Catalogue, NameUnknown, NotDownloaded
from mlxd.catalog.pull import Event, Trouble, arguments, decode, trouble
from mlxd.settings import Settings

from .complaint import Complaint
from .models_ls import catalogue_of, size

EXIT_STOPPED = 130
# How long the download may take to end once it is told to.
END_S = 5.0
# Without a terminal, a line for so many per cent more.
STEP_PERCENT = 10


class Shown(Protocol):
    def show(self, event: Event) -> None: ...


def pull(settings: Settings, name: str, *, as_json: bool) -> int:
    catalogue = catalogue_of(settings)
    if name.casefold() == PILOT:
        print("pilot comes with mlxd; there is nothing to download.")
        return 0
    hub_id = _hub_id(catalogue, name)
    names = [known for one in catalogue.known_models() for known in (one.alias, one.hub)]
    # A session of its own: Ctrl-C is for this process, which ends the other one in order.
    process = subprocess.Popen(
        arguments(hub_id, names),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    last: Event | None = None
    try:
        with _shown(as_json) as shown:
            for event in _events(process):
                last = event
                shown.show(event)
    except KeyboardInterrupt:
        _end(process)
        far = f" at {last.percent} %" if last is not None and last.percent is not None else ""
        print(f"\nStopped{far}. To go on from there: mlxd models pull {name}", file=sys.stderr)
        return EXIT_STOPPED
    finally:
        _end(process)
    if last is None or not last.ended:
        raise Complaint(trouble.ended(hub_id, process.returncode).message)
    if isinstance(last.error, Trouble):
        raise Complaint(last.error.message)
    if last.state == "cancelled":
        raise Complaint(f"The download was ended. To go on: mlxd models pull {name}", EXIT_STOPPED)
    if not as_json:
        print(last.message)
    return 0


def _hub_id(catalogue: Catalogue, name: str) -> str:
    try:
        return catalogue.hub_id(name)
    except NameUnknown as error:
        with contextlib.suppress(NameUnknown, NotDownloaded, BrokenModel):
            found = catalogue.find(name)
            raise Complaint(f"{name} is on this machine already: {found.path}") from None
        raise Complaint(
            f"{error.told} To pull from the hub, name it as ORG/NAME, or by its alias: "
            "`mlxd models ls` lists those."
        ) from error


def _events(process: "subprocess.Popen[bytes]") -> Iterator[Event]:
    assert process.stdout is not None
    for line in process.stdout:
        yield decode(line)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Its partial files stay for the next time."""
    assert process.stdin is not None
    assert process.stdout is not None
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdin.close()
    process.stdout.close()


@contextlib.contextmanager
def _shown(as_json: bool) -> Iterator[Shown]:
    if as_json:
        yield _Json()
    elif sys.stderr.isatty():
        from .progress import Bar

        with Bar() as bar:
            yield bar
    else:
        yield _Lines()


class _Json:
    def show(self, event: Event) -> None:
        import msgspec

        print(msgspec.json.encode(event).decode(), flush=True)


class _Lines:
    """For a log: what it waits for, and every tenth part."""

    def __init__(self) -> None:
        self._message: str | None = None
        self._percent = -STEP_PERCENT

    def show(self, event: Event) -> None:
        if event.message and event.message != self._message and not event.ended:
            print(f"{event.model}: {event.message}", file=sys.stderr, flush=True)
        self._message = event.message
        percent = event.percent
        if percent is not None and percent >= self._percent + STEP_PERCENT and not event.ended:
            self._percent = percent - percent % STEP_PERCENT
            far = f"{percent} % of {size(event.total)}"
            print(f"{event.model}: {far}", file=sys.stderr, flush=True)
