"""The running rows: one decode step for all of them at once, launched ahead of its reading.

A row joins with its last prompt token still to be fed, so its first answer token comes out of an
ordinary step. `launch` starts a step and returns at once; `Flight.read` waits for its tokens. The
next launch may happen in between: it feeds tokens that only the device knows yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx
import numpy as np
import numpy.typing as npt

from . import kv
from .backends import Backend
from .job import Job
from .sampling import History, Sampled, Sampler
from .text import GrammarFault


@dataclass(eq=False)
class Row:
    """A job in the batch. `fed` tokens are in its cache, `launched` were sampled, read or not."""

    job: Job
    fed: int
    launched: int
    done: bool = False

    @property
    def exhausted(self) -> bool:
        return self.launched >= self.job.budget


@dataclass(frozen=True)
class Read:
    """One row's token of one step. `top` pairs token ids with logprobs, likeliest first."""

    row: Row
    token: int
    healthy: bool
    logprob: float | None
    top: list[tuple[int, float]]


@dataclass
class Flight:
    """A launched step. Rows that ended since are skipped in reading."""

    rows: list[Row]
    sampled: Sampled

    def read(self) -> list[Read]:
        s = self.sampled
        mx.eval(s.arrays())
        tokens, healthy = np.array(s.tokens), np.array(s.healthy)
        chosen = None if s.chosen_logprob is None else np.array(s.chosen_logprob)
        ids = None if s.top_ids is None else np.array(s.top_ids)
        values = None if s.top_logprobs is None else np.array(s.top_logprobs)
        reads = []
        for i, row in enumerate(self.rows):
            if row.done:
                continue
            wanted = row.job.submit.logprobs
            top: list[tuple[int, float]] = []
            if wanted and ids is not None and values is not None:
                pairs = zip(ids[i, :wanted], values[i, :wanted], strict=True)
                top = [(int(token), float(value)) for token, value in pairs]
            logprob = float(chosen[i]) if chosen is not None and wanted is not None else None
            reads.append(Read(row, int(tokens[i]), bool(healthy[i]), logprob, top))
        return reads


@dataclass(frozen=True)
class Ready:
    """Jobs whose cache holds all of their tokens but the last: one with a cache of its own kind, or
    several in a batch's."""

    jobs: list[Job]
    cache: kv.Cache
    rope_deltas: list[int]


class Batch:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.rows: list[Row] = []
        # The step that was launched and not read yet.
        self.flight: Flight | None = None
        self._cache: kv.Cache = []
        self._alone = False
        self._inputs = mx.array([], dtype=mx.uint32)
        self._deltas = mx.zeros((0, 1), dtype=mx.int32)
        self._sampler: Sampler | None = None
        self._history: History | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def guided(self) -> bool:
        """Whether a grammar needs each token before the next step can be launched."""
        return any(r.job.matcher is not None for r in self.rows)

    @property
    def exhausted(self) -> bool:
        return all(r.exhausted for r in self.rows)

    def join(self, ready: Ready) -> None:
        jobs, cache = ready.jobs, ready.cache
        alone = len(jobs) == 1
        for job in jobs:
            self._join_history(job)
            self.rows.append(Row(job, fed=len(job.tokens) - 1, launched=len(job.generated)))
        last = mx.array([j.tokens[-1] for j in jobs], dtype=mx.uint32)
        deltas = mx.array([[d] for d in ready.rope_deltas], dtype=mx.int32)
        if len(self.rows) == len(jobs):
            self._cache, self._alone = cache, alone
            self._inputs, self._deltas = last, deltas
        else:
            self._spread()
            kv.extend(self._cache, kv.to_batch([cache]) if alone else cache)
            self._inputs = mx.concatenate([self._inputs, last])
            self._deltas = mx.concatenate([self._deltas, deltas])
        self._remake()

    def ready(self) -> Ready:
        """Its rows, for another batch to take over. Nothing may be under way."""
        return Ready([r.job for r in self.rows], self._cache, np.array(self._deltas)[:, 0].tolist())

    def _spread(self) -> None:
        """One row runs on its own kind of cache, which is faster; from two on, a batch's."""
        if self._alone:
            self._cache, self._alone = kv.to_batch([self._cache]), False

    def _join_history(self, job: Job) -> None:
        rows = [r.job.sampling for r in self.rows]
        size = self._backend.vocabulary
        if self._history is None and not job.sampling.penalised:
            return
        new = History([job.sampling], [job.prompt], size)
        for token in job.generated[:-1]:  # the last one is counted when it is fed
            new.add(mx.array([token]), mx.array([1.0]))
        if not rows:
            self._history = new
            return
        if self._history is None:
            self._history = History(rows, [[] for _ in rows], size)
        self._history.join([*rows, job.sampling], new)

    def _remake(self) -> None:
        jobs = [r.job for r in self.rows]
        self._sampler = Sampler(
            [j.sampling for j in jobs],
            [j.submit.logprobs for j in jobs],
            self._backend.vocabulary,
        )

    def launch(self, allowed: npt.NDArray[np.bool_] | None = None) -> Flight:
        """Start a step. `allowed` is what `masks` made of the rows' grammars."""
        assert self._sampler is not None
        logits = self._backend.decode(
            self._inputs, self._cache, self._deltas if self._backend.has_rope_delta else None
        )
        if self._history is not None:
            # A row's first input is its last prompt token, which is no answer yet.
            fresh = [float(r.fed >= len(r.job.prompt)) for r in self.rows]
            self._history.add(self._inputs, mx.array(fresh))
        positions = [r.launched for r in self.rows]
        sampled = self._sampler(logits, positions, self._history, allowed)
        mx.async_eval(sampled.arrays())
        self._inputs = sampled.tokens
        for row in self.rows:
            row.fed += 1
            row.launched += 1
        return Flight(list(self.rows), sampled)

    def masks(self) -> tuple[npt.NDArray[np.bool_] | None, list[tuple[Row, GrammarFault]]]:
        """What each row's grammar allows next, and the rows whose grammar failed them."""
        faults: list[tuple[Row, GrammarFault]] = []
        if not self.guided:
            return None, faults
        size = self._backend.vocabulary
        allowed = np.ones((len(self.rows), size), dtype=np.bool_)
        for i, row in enumerate(self.rows):
            try:
                packed = row.job.matcher.mask() if row.job.matcher is not None else None
            except GrammarFault as fault:
                faults.append((row, fault))
                continue
            if packed is not None:
                bits = np.unpackbits(packed.view(np.uint8), bitorder="little")[:size]
                allowed[i] = False
                allowed[i, : len(bits)] = bits
        return allowed, faults

    def take_cache(self, row: Row) -> kv.Cache:
        """A copy of what the row has in the cache, the row's own from now on."""
        if self._alone:
            return kv.clone(self._cache)
        taken = kv.extract(self._cache, self.rows.index(row))
        mx.async_eval(kv.arrays(taken))
        return taken

    def drop(self, gone: Sequence[Row]) -> None:
        for row in gone:
            row.done = True
        left = [i for i, r in enumerate(self.rows) if not r.done]
        if len(left) == len(self.rows):
            return
        self.rows = [self.rows[i] for i in left]
        if not self.rows:
            self.clear()
            return
        kept = mx.array(left)
        if len(left) == 1:
            self._cache, self._alone = kv.extract(self._cache, left[0]), True
        else:
            kv.keep(self._cache, left)
        self._inputs, self._deltas = self._inputs[kept], self._deltas[kept]
        if self._history is not None:
            self._history.keep([r.job.sampling for r in self.rows], kept)
            if not any(r.job.sampling.penalised for r in self.rows):
                self._history = None
        self._remake()

    def clear(self) -> None:
        self.rows, self._cache, self._alone = [], [], False
        self._inputs = mx.array([], dtype=mx.uint32)
        self._deltas = mx.zeros((0, 1), dtype=mx.int32)
        self._sampler = self._history = None
