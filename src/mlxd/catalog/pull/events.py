"""What a download tells of itself: one line of JSON each, the same for the terminal, for HTTP and
for another process that waits for the same model."""

import time
from collections import deque
from typing import Literal

import msgspec

State = Literal["resolving", "waiting", "downloading", "verifying", "done", "failed", "cancelled"]
ENDED = ("done", "failed", "cancelled")
# Of the rate that is shown: shorter would jump, longer would lag.
RATE_WINDOW_S = 10.0
# A request may begin a download again so long after one has failed.
PULL_AGAIN_S = 30.0


class Trouble(msgspec.Struct, frozen=True):
    code: str
    message: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """`done` of `total` bytes, counting what was here before; never less than in an earlier event.
    `rate` is bytes a second, `seconds_left` what that means. `message` says what it waits for, and
    at the end what came of it; `path` is then the model's folder."""

    model: str
    state: State
    done: int = 0
    total: int | None = None
    files_done: int = 0
    files_total: int | None = None
    rate: float | None = None
    seconds_left: float | None = None
    message: str | None = None
    path: str | msgspec.UnsetType = msgspec.UNSET
    error: Trouble | msgspec.UnsetType = msgspec.UNSET

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def percent(self) -> int | None:
        return None if not self.total else min(100, self.done * 100 // self.total)


class Rate:
    """Bytes a second over the last few seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def at(self, received: int, now: float | None = None) -> float | None:
        now = time.monotonic() if now is None else now
        self._seen.append((now, received))
        while len(self._seen) > 2 and now - self._seen[1][0] > RATE_WINDOW_S:
            self._seen.popleft()
        first_at, first = self._seen[0]
        return (received - first) / (now - first_at) if now > first_at else None


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Event).decode
