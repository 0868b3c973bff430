"""Every row's own sampling, computed for the whole batch at once.

A row draws one uniform number per position from a counter-based generator of its own seed, and
the token is found by inverting the cumulative distribution. So what a seed yields depends on
nothing but that row's logits: not on its neighbours, not on when it joined, not on a restart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import mlx.core as mx
import numpy as np
import numpy.typing as npt

_MASK64 = (1 << 64) - 1
# Below this the softmax is one-hot in float32 anyway, and dividing by less overflows.
_COLDEST = 1e-3
# At this top_p the likeliest token is alone; at 0 there would be none to choose.
_NARROWEST = 1e-6
_NEVER = -float("inf")
_LOG2_E = 1.4426950408889634
# How many of the likeliest tokens a top_p alone looks at. Sorting 150,000 for each row and step
# takes longer than the step.
HEAD = 2048


@dataclass(frozen=True)
class RowSampling:
    """What one request asked for, with the model's defaults filled in."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: dict[int, float] = field(default_factory=dict)
    seed: int = 0

    @property
    def greedy(self) -> bool:
        return self.temperature < _COLDEST or self.top_k == 1

    def ranked(self, size: int) -> bool:
        """Whether it cuts the distribution by rank."""
        return self.top_p < 1.0 or 0 < self.top_k < size

    def reach(self, size: int) -> int:
        """How many of the likeliest tokens must be put in order for it."""
        if self.greedy or not self.ranked(size):
            return 1
        if self.nucleus(size):
            return HEAD
        return min(self.top_k or size, size)

    def nucleus(self, size: int) -> bool:
        """Whether it cuts by top_p alone, in a vocabulary too large to be sorted at every step."""
        return not self.greedy and self.top_p < 1.0 and not 0 < self.top_k < size and size > HEAD

    @property
    def penalised(self) -> bool:
        return (
            self.repetition_penalty != 1.0
            or self.frequency_penalty != 0.0
            or self.presence_penalty != 0.0
        )


def uniform(seed: int, position: int) -> float:
    """The draw of `seed` at `position`, in [0, 1): splitmix64 over the pair."""
    x = (seed * 0x9E3779B97F4A7C15 + position * 0xD1B54A32D192ED03 + 0x8CB92BA72F3D8DD7) & _MASK64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK64
    return ((x ^ (x >> 31)) >> 40) / (1 << 24)


@dataclass
class Sampled:
    """Still on the device. `healthy` is false for a row whose logits are NaN or all alike."""

    tokens: mx.array
    healthy: mx.array
    chosen_logprob: mx.array | None = None
    top_ids: mx.array | None = None
    top_logprobs: mx.array | None = None

    def arrays(self) -> list[mx.array]:
        optional = (self.chosen_logprob, self.top_ids, self.top_logprobs)
        return [self.tokens, self.healthy, *(a for a in optional if a is not None)]


class History:
    """Which tokens each row has seen, for the penalties: on the device, for penalised rows only."""

    def __init__(self, rows: Sequence[RowSampling], contexts: Sequence[Sequence[int]], size: int):
        """`contexts` are the prompts; tokens generated later come in through `add`."""
        prompt = np.zeros((len(rows), size), dtype=np.bool_)
        for i, context in enumerate(contexts):
            if rows[i].penalised:
                prompt[i, np.asarray(context, dtype=np.int64)] = True
        self._prompt = mx.array(prompt)
        self._counts = mx.zeros((len(rows), size), dtype=mx.float32)
        self._set_rows(rows)

    def _set_rows(self, rows: Sequence[RowSampling]) -> None:
        self._repetition = mx.array([[r.repetition_penalty] for r in rows])
        self._frequency = mx.array([[r.frequency_penalty] for r in rows])
        self._presence = mx.array([[r.presence_penalty] for r in rows])

    def add(self, tokens: mx.array, weight: mx.array) -> None:
        """Count one generated token a row; weight 0 leaves a row out."""
        index = mx.arange(tokens.shape[0])
        self._counts = self._counts.at[index, tokens].add(weight)

    def apply(self, logits: mx.array) -> mx.array:
        """Repetition looks at prompt and answer, frequency and presence at the answer alone."""
        generated = self._counts > 0
        repeated = generated | self._prompt
        pressed = mx.where(logits > 0, logits / self._repetition, logits * self._repetition)
        logits = mx.where(repeated, pressed, logits)
        return logits - self._frequency * self._counts - self._presence * generated

    def keep(self, rows: Sequence[RowSampling], indices: mx.array) -> None:
        self._prompt, self._counts = self._prompt[indices], self._counts[indices]
        self._set_rows(rows)

    def join(self, rows: Sequence[RowSampling], other: "History") -> None:
        self._prompt = mx.concatenate([self._prompt, other._prompt])
        self._counts = mx.concatenate([self._counts, other._counts])
        self._set_rows(rows)


class Sampler:
    """The rows of a batch, as arrays. Made anew when the membership changes."""

    def __init__(self, rows: Sequence[RowSampling], top_logprobs: Sequence[int | None], size: int):
        self._rows = rows
        self._size = size
        self._all_greedy = all(r.greedy for r in rows)
        self._temperature = mx.array([[max(r.temperature, _COLDEST)] for r in rows])
        self._greedy = mx.array([r.greedy for r in rows])
        drawing = [r for r in rows if not r.greedy]
        self._any_ranked = any(r.ranked(size) for r in drawing)
        self._all_ranked = all(r.ranked(size) for r in drawing)
        self._ranked = mx.array([r.ranked(size) for r in rows])
        reach = [r.reach(size) for r in rows]
        self._widest = max(reach)
        self._top_k = _column(reach, self._widest)
        opened = [r.nucleus(size) for r in rows]
        self._open = mx.array(opened)[:, None] if any(opened) else None
        self._top_p = _column([max(r.top_p, _NARROWEST) for r in rows], 1.0)
        self._min_p = _column([r.min_p for r in rows], 0.0)
        self._bias = self._dense_bias()
        wanted = [k for k in top_logprobs if k is not None]
        self._alternatives = min(max(wanted), size) if wanted else None

    def _dense_bias(self) -> mx.array | None:
        if not any(r.logit_bias for r in self._rows):
            return None
        bias = np.zeros((len(self._rows), self._size), dtype=np.float32)
        for i, row in enumerate(self._rows):
            for token, value in row.logit_bias.items():
                bias[i, token] = value
        return mx.array(bias)

    def __call__(
        self,
        logits: mx.array,
        positions: Sequence[int],
        history: History | None = None,
        allowed: npt.NDArray[np.bool_] | None = None,
    ) -> Sampled:
        logits = logits.astype(mx.float32)
        high = mx.max(logits, axis=-1)
        # NaN anywhere makes both extremes NaN, which no comparison lets through.
        healthy = high > mx.min(logits, axis=-1)
        raw = logits
        if history is not None:
            logits = history.apply(logits)
        if self._bias is not None:
            logits = logits + self._bias
        if allowed is not None:
            logits = mx.where(mx.array(allowed), logits, _NEVER)
        sampled = Sampled(self._choose(logits, positions), healthy)
        if self._alternatives is not None:
            self._add_logprobs(sampled, raw)
        return sampled

    def _choose(self, logits: mx.array, positions: Sequence[int]) -> mx.array:
        best = mx.argmax(logits, axis=-1)
        if self._all_greedy:
            return best
        draws = [uniform(r.seed, p) for r, p in zip(self._rows, positions, strict=True)]
        drawn = self._draw(logits / self._temperature, mx.array(draws)[:, None])
        return mx.where(self._greedy, best, drawn)

    def _draw(self, logits: mx.array, u: mx.array) -> mx.array:
        """Rows that cut the distribution by rank draw in order of rank, the others in order of
        token id: each as it would alone."""
        if not self._any_ranked:
            return self._draw_whole(logits, u)
        drawn, complete = self._draw_ranked(logits, u)
        if self._all_ranked and complete is None:
            return drawn
        by_rank = self._ranked if complete is None else self._ranked & complete
        return mx.where(by_rank, drawn, self._draw_whole(logits, u))

    def _draw_whole(self, logits: mx.array, u: mx.array) -> mx.array:
        weights = _exp(logits - mx.max(logits, axis=-1, keepdims=True))
        return _invert(self._above_floor(weights), u)

    def _draw_ranked(self, logits: mx.array, u: mx.array) -> tuple[mx.array, mx.array | None]:
        """What each row draws by rank, and whether its nucleus lies within the ranks looked at.

        A nucleus of more than HEAD tokens is next to no cut at all; such a row draws from the
        whole distribution, and the vocabulary need not be sorted for it.
        """
        order = self._order(logits)
        ranked = mx.take_along_axis(logits, order, axis=-1)
        weights = _exp(ranked - ranked[:, :1])
        complete = None
        if self._top_k is not None:
            weights = mx.where(mx.arange(order.shape[1])[None] < self._top_k, weights, 0.0)
        if self._top_p is not None:
            cumulative = mx.cumsum(weights, axis=-1)
            mass = cumulative[:, -1:]
            if self._open is not None:
                everything = mx.sum(_exp(logits - ranked[:, :1]), axis=-1, keepdims=True)
                complete = (~self._open | (self._top_p * everything <= mass))[:, 0]
                mass = mx.where(self._open, everything, mass)
            weights = mx.where(cumulative - weights < self._top_p * mass, weights, 0.0)
        place = _invert(self._above_floor(weights), u)[:, None]
        return mx.take_along_axis(order, place, axis=-1)[:, 0], complete

    def _above_floor(self, weights: mx.array) -> mx.array:
        """min_p is relative to the likeliest token, whose weight is 1."""
        if self._min_p is None:
            return weights
        return mx.where(weights >= self._min_p, weights, 0.0)

    def _order(self, logits: mx.array) -> mx.array:
        """Token ids, likeliest first: only as many as the widest top_k of the batch can reach."""
        if self._widest == self._size:
            return mx.argsort(-logits, axis=-1)
        head = mx.argpartition(-logits, self._widest - 1, axis=-1)[:, : self._widest]
        by_value = mx.argsort(-mx.take_along_axis(logits, head, axis=-1), axis=-1)
        return mx.take_along_axis(head, by_value, axis=-1)

    def _add_logprobs(self, sampled: Sampled, raw: mx.array) -> None:
        """The model's own distribution, before any setting of the request bends it."""
        logprobs = raw - mx.logsumexp(raw, axis=-1, keepdims=True)
        chosen = mx.take_along_axis(logprobs, sampled.tokens[:, None], axis=-1)
        sampled.chosen_logprob = chosen[:, 0]
        if self._alternatives:
            order = mx.argpartition(-logprobs, self._alternatives - 1, axis=-1)
            ids = order[:, : self._alternatives]
            values = mx.take_along_axis(logprobs, ids, axis=-1)
            by_value = mx.argsort(-values, axis=-1)
            sampled.top_ids = mx.take_along_axis(ids, by_value, axis=-1)
            sampled.top_logprobs = mx.take_along_axis(values, by_value, axis=-1)


def _column(values: Sequence[float], neutral: float) -> mx.array | None:
    return None if all(v == neutral for v in values) else mx.array(list(values))[:, None]


def _exp(x: mx.array) -> mx.array:
    """As a power of two: a third of mx.exp's time on a CPU, and the same elsewhere."""
    return mx.power(2.0, x * _LOG2_E)


def _invert(probabilities: mx.array, u: mx.array) -> mx.array:
    """The first index whose cumulative weight exceeds u times the whole. It is never out of range,
    whatever the weights: what is read at it would be anyone's memory."""
    cumulative = mx.cumsum(probabilities, axis=-1)
    target = u * cumulative[:, -1:]
    return mx.minimum(mx.sum(cumulative <= target, axis=-1), probabilities.shape[-1] - 1)
