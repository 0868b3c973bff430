"""The requests of one model: which wait, which the engine has, and who goes when engines die."""

import time
from collections import deque
from collections.abc import Callable

import msgspec

from mlxd import wire

from . import census, policy
from .contract import Overloaded, RequestFailed, ServiceError
from .counts import Counts
from .requests import Answer, EmbedRequest, Pace, Request


class Book:
    """`send` hands a frame to the engine that runs now; `is_open` is false when there is none that
    takes requests. Every request leaves the book once: completed, failed or withdrawn."""

    def __init__(
        self,
        name: str,
        limit: int,
        *,
        send: Callable[[wire.Down], None],
        is_open: Callable[[], bool],
    ) -> None:
        self.counts = Counts()
        self._name = name
        self._limit = limit
        self._put = send
        self._is_open = is_open
        self._requests: dict[int, Request] = {}
        # Suspects: each of them goes through by itself, and nothing else meanwhile.
        self._alone: deque[int] = deque()
        self._pace = Pace()
        # How many Submits the engine that runs now was sent.
        self._handed = 0

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def waiting(self) -> int:
        return sum(not request.sent for request in self._requests.values())

    @property
    def running(self) -> int:
        return len(self._requests) - self.waiting

    # --- coming and going --------------------------------------------------------------------

    def check_room(self) -> None:
        if len(self._requests) < self._limit:
            return
        wait = self._pace.refused()
        raise Overloaded(
            f"{self._name} has {len(self._requests)} requests already, which is its limit "
            f"(setting server.queue_limit). Try again in {wait:.0f} s.",
            wait,
        )

    def add(self, request: Request) -> bool:
        """True when it went to the engine at once."""
        if not self._requests:
            self._pace.began()
        self._requests[request.id] = request
        self.counts.requests += 1
        if self._is_open() and not self._alone:
            self._send(request)
        return request.sent

    def withdraw(self, request: Request) -> None:
        """Nobody waits for it any more."""
        if self._requests.pop(request.id, None) is None:
            return
        if request.sent:
            self._put(wire.Cancel(request.id))
        self._next_suspect()

    def send_all(self) -> None:
        """Everything that waits, unless a suspect has to go through alone first."""
        if not self.running:
            self._pace.began()
        while self._alone:
            suspect = self._requests.get(self._alone[0])
            if suspect is not None:
                if not suspect.sent and not self.running:
                    self._send(suspect)
                return
            self._alone.popleft()
        for request in self._requests.values():
            if not request.sent:
                self._send(request)

    def fail_all(self, error: ServiceError) -> None:
        for request in list(self._requests.values()):
            self._fail(request, error)

    def fail_those(self, error: ServiceError, *, sent: bool) -> None:
        for request in [one for one in self._requests.values() if one.sent is sent]:
            self._fail(request, error)

    def _send(self, request: Request) -> None:
        request.sent = True
        request.watched = None
        frame = request.to_send()
        if isinstance(frame, wire.Submit):
            self._handed += 1
            request.place = self._handed
        self._put(frame)

    def _complete(self, request: Request) -> None:
        del self._requests[request.id]
        self._pace.completed()
        self._next_suspect()

    def _fail(self, request: Request, error: ServiceError) -> None:
        self._requests.pop(request.id, None)
        self.counts.failed += 1
        request.fail(error)

    def _next_suspect(self) -> None:
        if self._alone and self._is_open():
            self.send_all()

    # --- what the engine says of them; each tells whether it ended a request -------------------

    def take(self, event: wire.Event) -> bool:
        request = self._requests.get(event.id)
        if not isinstance(request, Answer):
            # Cancelled meanwhile, or never ours.
            return False
        if event.tokens:
            self.counts.tokens(request, len(event.tokens), time.monotonic())
            request.watched = None
        request.take(event)
        if event.finish is None:
            return False
        if event.usage is not None:
            self.counts.used(event.usage)
        self._complete(request)
        return True

    def take_vectors(self, embedded: wire.Embedded) -> bool:
        request = self._requests.get(embedded.id)
        if not isinstance(request, EmbedRequest):
            return False
        self.counts.tokens_in += embedded.prompt_tokens
        self._complete(request)
        request.take(embedded)
        return True

    def take_failure(self, failed: wire.Failed) -> bool:
        request = self._requests.get(failed.id)
        if request is None:
            return False
        self._complete(request)
        self._fail(request, RequestFailed(failed))
        return True

    def lost(self, progress: wire.Progress, now: float, patience_s: float) -> list[Request]:
        sent = (request for request in self._requests.values() if request.sent)
        return census.missing(sent, progress, now, patience_s)

    def send_anew(self, request: Request, number: int) -> None:
        """To the engine that lost it, under a number of which it knows nothing: should the lost one
        be heard of again, nobody takes it for this one."""
        old = request.id
        self._put(wire.Cancel(old))
        del self._requests[old]
        request.id = number
        request.frame = msgspec.structs.replace(request.frame, id=number)
        request.lost += 1
        self._requests[number] = request
        self._alone = deque(number if one == old else one for one in self._alone)
        self.counts.lost += 1
        self._send(request)

    def engine_begins(self) -> None:
        self._handed = 0

    def engine_left(self) -> list[Request]:
        """Those that were with it wait for the next one, which goes on where they are."""
        sent = [request for request in self._requests.values() if request.sent]
        for request in sent:
            request.sent = False
        self.counts.resumed += len(sent)
        return sent

    def engine_died(self, why: str) -> None:
        """They go to the next one, except what has killed two."""
        sent = self.engine_left()
        for request in sent:
            request.deaths += 1
        verdict = policy.judge([(request.id, request.deaths) for request in sent])
        self._alone.extend(number for number in verdict.alone if number not in self._alone)
        for number in verdict.poison:
            request = self._requests[number]
            self.counts.resumed -= 1
            message = (
                f"{request.deaths} engines died while they worked on this request, the last one "
                f"so: {why}. It was not tried again."
            )
            self._fail(request, RequestFailed(wire.Failed(number, "engine", message)))
