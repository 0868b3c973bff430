"""A request on its way: what was asked, what has come, and the stream that its client reads."""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import msgspec

from mlxd import wire

from .contract import ServiceError

# Seeds that every sampler takes: positive, and exact also where a number is read as a double.
SEED_BITS = 48


class Desk(Protocol):
    """Where a request lies: it is asked only for words, and told when nobody waits any more."""

    def describe(self, request: "Request") -> str: ...
    def withdraw(self, request: "Request") -> None: ...


class Request:
    """`tokens` is what any engine has generated for it so far. `sent`: the engine that runs now
    has it; `place`: as which of its Submits, from 1; `watched`: the step and the time at which it
    was first seen in the batch since its last token. `deaths`: how many engines have died with it.
    `lost`: how often an engine that lived on has lost it."""

    def __init__(self, frame: wire.Submit | wire.Embed, at: float) -> None:
        self.frame = frame
        self.id = frame.id
        self.at = at
        self.tokens: list[int] = []
        self.sent = False
        self.place = 0
        self.watched: tuple[int, float] | None = None
        self.deaths = 0
        self.lost = 0
        self.first_at: float | None = None
        self.last_at: float | None = None

    def to_send(self) -> wire.Submit | wire.Embed:
        if self.tokens and isinstance(self.frame, wire.Submit):
            return msgspec.structs.replace(self.frame, resume=self.tokens)
        return self.frame

    def fail(self, error: ServiceError) -> None:
        raise NotImplementedError


class EmbedRequest(Request):
    def __init__(self, frame: wire.Embed, at: float) -> None:
        super().__init__(frame, at)
        self.result: asyncio.Future[wire.Embedded] = asyncio.get_running_loop().create_future()

    def take(self, embedded: wire.Embedded) -> None:
        if not self.result.done():
            self.result.set_result(embedded)

    def fail(self, error: ServiceError) -> None:
        if not self.result.done():
            self.result.set_exception(error)


class Answer(Request):
    """The Stream of the contract. Events are kept in a plain list until the reader comes."""

    def __init__(self, frame: wire.Submit, at: float, desk: Desk) -> None:
        super().__init__(with_seed(frame), at)
        # A client may resume an answer of an earlier service itself; ours is counted on top.
        self.tokens = list(frame.resume)
        self._desk = desk
        self._events: list[wire.Event] = []
        self._ended = False
        self._error: ServiceError | None = None
        self._reader: asyncio.Future[None] | None = None

    def take(self, event: wire.Event) -> None:
        if event.tokens:
            self.tokens.extend(event.tokens)
        self._events.append(event)
        if event.finish is not None:
            self._ended = True
        self._wake()

    def fail(self, error: ServiceError) -> None:
        if not self._ended:
            self._error = error
            self._ended = True
            self._wake()

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def state(self) -> str:
        return self._desk.describe(self)

    def __aiter__(self) -> "Answer":
        return self

    async def __anext__(self) -> list[wire.Event]:
        while not self._events:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self._ended:
                raise StopAsyncIteration
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        events, self._events = self._events, []
        return events

    async def aclose(self) -> None:
        if not self._ended:
            self._ended = True
            self._desk.withdraw(self)
            self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


def with_seed(frame: wire.Submit) -> wire.Submit:
    """Every request has a seed before it is first sent, so that another engine can go on with it
    as the first one would have."""
    if frame.sampling.seed is not None:
        return frame
    sampling = msgspec.structs.replace(frame.sampling, seed=secrets.randbits(SEED_BITS))
    return msgspec.structs.replace(frame, sampling=sampling)


class Pace:
    """How fast a queue really moves: seconds of work between two completions, lately. The time in
    which there was nothing to do says nothing, and is left out."""

    # Long enough to even out the batches in which answers end, short enough to follow a change.
    WINDOW = 32
    UNKNOWN_S = 5.0
    LONGEST_S = 300.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._gaps: deque[float] = deque(maxlen=self.WINDOW)
        self._since = clock()
        self._refused = 0

    def began(self) -> None:
        """The first request is here, or the engine is that takes what waits."""
        self._since = self._clock()

    def completed(self) -> None:
        now = self._clock()
        self._refused = 0
        self._gaps.append(now - self._since)
        self._since = now

    def refused(self) -> float:
        """Seconds after which there should be room for this one: those who were refused since the
        last completion stand before it."""
        self._refused += 1
        return min(max(1.0, self._each() * self._refused), self.LONGEST_S)

    def _each(self) -> float:
        waited = self._clock() - self._since
        if not self._gaps:
            return max(self.UNKNOWN_S, waited)
        lately = sum(self._gaps)
        # Slower than it was: the gap that is not over yet counts as soon as it is the longer one.
        return max(lately / len(self._gaps), (lately + waited) / (len(self._gaps) + 1))
