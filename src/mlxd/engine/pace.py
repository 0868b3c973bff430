"""How long steps and chunks of prompts take, as the step thread goes from one to the next."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import mlx.core as mx

from .batch import Flight
from .scheduler import ChunkSizer


@dataclass
class Pace:
    """`steps` counts both, and is what others see the thread go on by."""

    sizer: ChunkSizer
    steps: int = 0
    _at: float | None = None
    _chunked: bool = False

    def rest(self) -> None:
        """The time until the next step is nobody's."""
        self._at = None

    def decoded(self) -> None:
        """A step takes from one landing to the next, while no chunk comes between them."""
        now = time.perf_counter()
        if self._at is not None and not self._chunked:
            self.sizer.saw_decode(now - self._at)
        self._chunked = False
        self._at = now

    def settle(self, flight: Flight | None) -> float:
        """Wait for the launched step, or its time would count as that of what comes after it;
        returns the time."""
        if flight is not None:
            mx.eval(flight.sampled.arrays())
            if self._at is not None:
                self.sizer.saw_decode(time.perf_counter() - self._at)
        return time.perf_counter()

    @contextmanager
    def chunk(self, tokens: int, flight: Flight | None, running: bool) -> Iterator[None]:
        began = self.settle(flight)
        yield
        self.sizer.saw_chunk(tokens, self._chunk_ended() - began, running)
        self.steps += 1

    def paused(self, began: float, running: bool) -> None:
        """By a piece of work that is not counted in tokens."""
        self.sizer.saw_pause(self._chunk_ended() - began, running)

    def _chunk_ended(self) -> float:
        self._at = time.perf_counter()
        self._chunked = True
        return self._at
