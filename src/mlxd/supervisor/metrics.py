"""Counters of one model, cheap enough for every token, and their Prometheus form."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from mlxd import wire

from .requests import Request

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from .slot import Slot

FIRST_TOKEN_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BETWEEN_TOKENS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


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
        self.tokens_in = 0
        self.tokens_cached = 0
        self.tokens_out = 0
        self.first_token = Histogram(FIRST_TOKEN_S)
        self.between_tokens = Histogram(BETWEEN_TOKENS_S)

    def tokens(self, request: Request, count: int, now: float) -> None:
        self.tokens_out += count
        if request.last_at is None:
            request.first_at = now
            self.first_token.add(now - request.at)
        else:
            self.between_tokens.add((now - request.last_at) / count, count)
        request.last_at = now

    def used(self, usage: wire.Usage) -> None:
        self.tokens_in += usage.prompt
        self.tokens_cached += usage.cached


def prometheus(slots: Iterable["Slot"]) -> tuple[bytes, str]:
    """The body of /metrics and its content type."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

    there = list(slots)

    class Collector:
        def collect(self) -> Iterable["Metric"]:
            return families(there)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())
    return generate_latest(registry), CONTENT_TYPE_LATEST


def families(slots: Sequence["Slot"]) -> Iterable["Metric"]:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    from .policy import State

    label = ["model"]
    state = GaugeMetricFamily("mlxd_engine_state", "1 for the state", labels=["model", "state"])
    for slot in slots:
        for one in State:
            state.add_metric([slot.entry.id, one], float(slot.state is one))
    yield state
    gauges: dict[str, tuple[str, Callable[[Slot], float]]] = {
        "mlxd_requests_running": ("Requests that the engine has", lambda s: s.book.running),
        "mlxd_requests_waiting": ("Requests that wait for the engine", lambda s: s.book.waiting),
        "mlxd_kv_bytes": ("KV memory in use", lambda s: s.progress.kv_bytes if s.progress else 0),
        "mlxd_prefix_cache_bytes": (
            "Prefix cache in use",
            lambda s: s.progress.prefix_bytes if s.progress else 0,
        ),
        "mlxd_engine_memory_bytes": (
            "The engine's memory on its device",
            lambda s: s.progress.memory if s.progress else 0,
        ),
    }
    for name, (text, read) in gauges.items():
        gauge = GaugeMetricFamily(name, text, labels=label)
        for slot in slots:
            gauge.add_metric([slot.entry.id], float(read(slot)))
        yield gauge
    counters: dict[str, tuple[str, Callable[[Slot], float]]] = {
        "mlxd_requests": ("Requests taken", lambda s: s.book.counts.requests),
        "mlxd_requests_failed": ("Requests that ended in an error", lambda s: s.book.counts.failed),
        "mlxd_engine_restarts": ("Engines that died", lambda s: s.restarts),
        "mlxd_tokens_in": ("Prompt tokens", lambda s: s.book.counts.tokens_in),
        "mlxd_tokens_cached": (
            "Prompt tokens from the cache",
            lambda s: s.book.counts.tokens_cached,
        ),
        "mlxd_tokens_out": ("Generated tokens", lambda s: s.book.counts.tokens_out),
    }
    for name, (text, read) in counters.items():
        counter = CounterMetricFamily(name, text, labels=label)
        for slot in slots:
            counter.add_metric([slot.entry.id], float(read(slot)))
        yield counter
    for name, attribute in (
        ("mlxd_time_to_first_token_seconds", "first_token"),
        ("mlxd_time_between_tokens_seconds", "between_tokens"),
    ):
        family = HistogramMetricFamily(name, name.removeprefix("mlxd_"), labels=label)
        for slot in slots:
            histogram: Histogram = getattr(slot.book.counts, attribute)
            family.add_metric([slot.entry.id], histogram.buckets(), histogram.total)
        yield family
