"""Counters of one model, cheap enough for every token."""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence

from mlxd import wire

from .requests import Request

FIRST_TOKEN_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BETWEEN_TOKENS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


# Of requests whose wait for the first token is remembered one by one, of each model.
RECENT = 120


class Histogram:
    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, seconds: float, times: int = 1) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += times
        self.total += seconds * times

    def buckets(self) -> list[tuple[str, float]]:
        made, below = [], 0
        for bound, count in zip([*map(str, self.bounds), "+Inf"], self.counts, strict=True):
            below += count
            made.append((bound, float(below)))
        return made


class Counts:
    def __init__(self) -> None:
        self.requests = 0
        self.failed = 0
        self.lost = 0
        self.resumed = 0
        self.tokens_in = 0
        self.tokens_cached = 0
        self.tokens_out = 0
        self.first_token = Histogram(FIRST_TOKEN_S)
        # When it came, by the wall clock, and after how long.
        self.recent: deque[tuple[float, float]] = deque(maxlen=RECENT)
        self.between_tokens = Histogram(BETWEEN_TOKENS_S)

    def tokens(self, request: Request, count: int, now: float) -> None:
        self.tokens_out += count
        if request.last_at is None:
            request.first_at = now
            self.first_token.add(now - request.at)
            self.recent.append((time.time(), now - request.at))
        else:
            self.between_tokens.add((now - request.last_at) / count, count)
        request.last_at = now

    def used(self, usage: wire.Usage) -> None:
        self.tokens_in += usage.prompt
        self.tokens_cached += usage.cached
