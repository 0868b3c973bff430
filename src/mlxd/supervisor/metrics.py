"""The counters of all models in Prometheus form."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .counts import RECENT, Histogram

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from .remote import Remotes
    from .slot import Slot


def first_tokens(slots: Iterable["Slot"]) -> list[dict[str, Any]]:
    """Of the latest requests, oldest first: when, how long, which model."""
    found: list[dict[str, Any]] = [
        {"at": at, "seconds": seconds, "model": slot.entry.id}
        for slot in slots
        for at, seconds in slot.book.counts.recent
    ]
    return sorted(found, key=lambda one: float(one["at"]))[-RECENT:]


def prometheus(slots: Iterable["Slot"], remotes: "Remotes | None" = None) -> tuple[bytes, str]:
    """The body of /metrics and its content type."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

    there = list(slots)

    class Collector:
        def collect(self) -> Iterable["Metric"]:
            return [*families(there), *(families_elsewhere(remotes) if remotes else ())]

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
        "mlxd_requests_lost": (
            "Requests that an engine which lives on had lost, and was sent anew",
            lambda s: s.book.counts.lost,
        ),
        "mlxd_requests_resumed": (
            "Requests that the next engine went on with, as theirs had ended",
            lambda s: s.book.counts.resumed,
        ),
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
    for name, text, attribute in (
        (
            "mlxd_time_to_first_token_seconds",
            "From a request's arrival to its first token",
            "first_token",
        ),
        (
            "mlxd_time_between_tokens_seconds",
            "Between two tokens of an answer",
            "between_tokens",
        ),
    ):
        family = HistogramMetricFamily(name, text, labels=label)
        for slot in slots:
            histogram: Histogram = getattr(slot.book.counts, attribute)
            family.add_metric([slot.entry.id], histogram.buckets(), histogram.total)
        yield family


def families_elsewhere(remotes: "Remotes") -> Iterable["Metric"]:
    """Models that other servers have: what can be seen of them from here."""
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    state = GaugeMetricFamily("mlxd_remote_state", "1 for the state", labels=["remote", "state"])
    running = GaugeMetricFamily("mlxd_remote_requests_running", "Being asked", labels=["remote"])
    waiting = GaugeMetricFamily("mlxd_remote_requests_waiting", "Not asked yet", labels=["remote"])
    again = CounterMetricFamily(
        "mlxd_remote_asked_again", "Tries after the first", labels=["remote"]
    )
    for one in remotes.all():
        name = one.declared.name
        for each in ("untried", "ready", "failing", "no key"):
            state.add_metric([name, each], float(one.state == each))
        running.add_metric([name], one.running)
        waiting.add_metric([name], one.waiting)
        again.add_metric([name], one.again)
    yield from (state, running, waiting, again)
    for key, text in (
        ("requests", "Requests taken"),
        ("failed", "Requests that ended in an error"),
        ("tokens_in", "Prompt tokens, as far as the server says"),
        ("tokens_cached", "Prompt tokens from its cache"),
        ("tokens_out", "Generated tokens, as far as the server says"),
    ):
        counter = CounterMetricFamily(f"mlxd_remote_{key}", text, labels=["model"])
        for model, counts in remotes.counts():
            counter.add_metric([model], getattr(counts, key))
        yield counter
    first = HistogramMetricFamily(
        "mlxd_remote_time_to_first_byte_seconds", "Until an answer begins", labels=["model"]
    )
    for model, counts in remotes.counts():
        first.add_metric([model], counts.first_token.buckets(), counts.first_token.total)
    yield first
