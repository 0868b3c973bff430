"""One loaded model with its threads: frames in, frames out."""

import logging
import threading
import weakref
from dataclasses import dataclass

from mlxd.wire import Cancel, Down, Drain, Drained, Embed, EngineEnd, Failed, Stop, Submit

from .job import Job
from .prepare import Preparer
from .step import Signal, Stepper

log = logging.getLogger(__name__)


@dataclass
class Jobs:
    """What this engine still owes an answer to. Used by all threads.

    Jobs are not kept alive here: one that no queue, no row and no thread has any more is lost, and
    `census` is how the gateway sees it.
    """

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, weakref.ref[Job]] = {}
        self._taken = 0
        self._draining = False

    def add(self, job: Job) -> bool:
        """False once the engine is draining."""
        with self._lock:
            if self._draining:
                return False
            self._taken += 1
            self._open[job.id] = weakref.ref(job)
            return True

    def census(self) -> tuple[int, list[int]]:
        """How many requests were taken, and which of them are still here."""
        with self._lock:
            return self._taken, [request for request, job in self._open.items() if job()]

    @property
    def any(self) -> bool:
        return bool(self._open)

    def pop(self, request: int) -> tuple[Job | None, bool]:
        """The job, and whether it was the last that a drain waited for."""
        with self._lock:
            found = self._open.pop(request, None)
            last = self._draining and not self._open and found is not None
            return found() if found else None, last

    def drain(self) -> bool:
        """Take nothing new; true when there is nothing left already."""
        with self._lock:
            self._draining = True
            return not self._open


class Engine:
    def __init__(self, channel: EngineEnd, jobs: Jobs, preparer: Preparer, stepper: Stepper):
        self._channel = channel
        self._jobs = jobs
        self._preparer = preparer
        self._stepper = stepper

    def receive(self, frame: Down) -> None:
        """Called by the reader thread, for every frame in turn."""
        match frame:
            case Submit():
                self._submit(frame)
            case Cancel():
                self._cancel(frame.id)
            case Embed():
                message = "this model generates text; it makes no embeddings"
                self._channel.send(Failed(frame.id, "client", message, "model"))
            case Drain():
                if self._jobs.drain():
                    self._channel.send(Drained())
            case Stop():
                self._stepper.inbox.put(Signal.STOP)

    def run(self) -> None:
        """The step thread's loop, until told to stop."""
        try:
            self._stepper.run()
        finally:
            self._preparer.close()

    def _submit(self, frame: Submit) -> None:
        job = Job(frame)
        if self._jobs.add(job):
            self._preparer.put(job)
        else:
            self._channel.send(Failed(frame.id, "engine", "this engine is stopping"))

    def _cancel(self, request: int) -> None:
        job, last = self._jobs.pop(request)
        if job is not None:
            job.cancelled = True
            self._stepper.inbox.put(Signal.WAKE)
        if last:
            self._channel.send(Drained())


def tell_ended(channel: EngineEnd, jobs: Jobs, request: int) -> None:
    """Nothing more will be said of a request."""
    _, last = jobs.pop(request)
    if last:
        channel.send(Drained())
