"""Prompts on their way into caches: each round one chunk of the prompt whose turn it is, or of
several short ones together; pictures are looked at piece by piece.
"""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

import mlx.core as mx

from . import kv
from .backends import Backend, Sequence, picture_key
from .batch import Batch, Ready
from .job import Job
from .pace import Pace
from .prefix import Key, PrefixCache, key_of
from .scheduler import COURTESY_SECONDS, GIVES_WAY_SECONDS, group, next_to_prefill


@dataclass(eq=False)
class Prefill:
    """A prompt on its way into a cache; its last token is left for the first decode step.

    `looking`, while its pictures are looked at: what is left of that, and `pixels` until it began.
    """

    job: Job
    sequence: Sequence
    cache: kv.Cache
    done: int
    looking: Generator[None, None, Sequence] | None = None
    pixels: int = 0

    @property
    def left(self) -> int:
        return len(self.sequence.tokens) - 1 - self.done

    @property
    def plain(self) -> bool:
        """Text that can be run beside others' in one padded chunk."""
        return not self.looking and not self.sequence.features and self.left > 0


def prefix_key(job: Job, length: int) -> Key:
    tokens = job.tokens[:length]
    return key_of(tokens) if job.vision is None else picture_key(tokens, job.vision)


class Prompts:
    """Those that were begun and have not joined the batch yet. `most`: tokens in one chunk;
    `paddable`: several may share one; `came()`: whether somebody new waits to be let in;
    `join(ready)`: these are read; `fail(job, error)`: one ended in a fault of its own;
    `tell(prefill, pixels)`: how far one is, or that so many pixels are about to be looked at."""

    def __init__(
        self,
        backend: Backend,
        batch: Batch,
        prefix: PrefixCache,
        pace: Pace,
        *,
        most: int,
        paddable: bool,
        came: Callable[[], bool],
        join: Callable[[Ready], None],
        fail: Callable[[Job, Exception], None],
        tell: Callable[[Prefill | None, int], None],
    ) -> None:
        self.reading: list[Prefill] = []
        self.paddable = paddable
        self._backend = backend
        self._batch = batch
        self._prefix = prefix
        self._pace = pace
        self._most = most
        self._came = came
        self._join = join
        self._fail = fail
        self._tell = tell
        self._chatted = -COURTESY_SECONDS
        # When background work was last gone on with.
        self._went_on = 0.0

    def begin(self, job: Job) -> None:
        tokens = job.tokens
        found = self._prefix.find(prefix_key(job, len(tokens)))
        cache, start = (found.cache, found.length) if found else (self._backend.make_cache(), 0)
        if not job.generated:
            job.cached = start
        if not job.batch_class:
            self._chatted = time.monotonic()
        if pixels := self._backend.looks_at(job.vision, start):
            looking = self._backend.look(tokens, job.vision, start)
            known = Sequence(tokens, {})
            self.reading.append(Prefill(job, known, cache, start, looking, pixels))
        else:
            sequence = self._backend.begin(tokens, job.vision, start)
            self.reading.append(Prefill(job, sequence, cache, start))

    def drop_cancelled(self) -> None:
        self.reading = [p for p in self.reading if not p.job.cancelled]

    @property
    def courteous(self) -> bool:
        """Whether background rows run alone, and a chat is likely to come."""
        return bool(self._batch.rows) and not self._streaming and self._somebody_chats

    @property
    def _somebody_chats(self) -> bool:
        return time.monotonic() - self._chatted < COURTESY_SECONDS

    @property
    def _streaming(self) -> bool:
        """Whether somebody looks on as rows go on: background rows can be held up, and go the
        faster together the sooner the next ones join them."""
        return any(not r.job.batch_class for r in self._batch.rows)

    @property
    def chat_begins(self) -> bool:
        return any(not p.job.batch_class for p in self.reading) and all(
            r.job.batch_class for r in self._batch.rows
        )

    @property
    def _first_token_is_due(self) -> bool:
        """Of a chat: it is read before more background work is begun."""
        flying = self._batch.flight.rows if self._batch.flight else []
        return any(not (r.done or r.job.batch_class or r.job.generated) for r in flying)

    def _gives_way(self, job: Job) -> bool:
        """Whether this is not gone on with before those who have come are let in."""
        soon = time.monotonic() - self._went_on < GIVES_WAY_SECONDS
        return job.batch_class and soon and self._came()

    def _goes_on(self, job: Job) -> None:
        if job.batch_class:
            self._went_on = time.monotonic()

    def read_some(self) -> None:
        if not self.reading:
            return
        queue = [(p.job, p.left) for p in self.reading]
        first = next_to_prefill(queue, time.monotonic())
        chosen = [self.reading[first]]
        if chosen[0].job.batch_class and self._first_token_is_due:
            return
        if self._gives_way(chosen[0].job):
            return
        running = self._streaming
        most = min(self._pace.sizer.burst(running), self._share(chosen[0].job))
        if running and not self._pace.sizer.paid and (chosen[0].looking or chosen[0].left > most):
            return
        if self.paddable and chosen[0].plain:
            together = [self.reading[i] for i in group(queue, first, most)]
            chosen = [p for p in together if p.plain]
        ready = None
        try:
            if len(chosen) > 1:
                ready = self._read_together(chosen)
            elif chosen[0].looking:
                self._look(chosen[0])
            else:
                ready = self._read_chunk(chosen[0])
        except Exception as error:  # noqa: BLE001 - whatever MLX raises belongs to these prompts
            for p in chosen:
                self.reading.remove(p)
                self._fail(p.job, error)
        if ready is not None:
            self._join(ready)
        self._tell(chosen[0], 0)

    def _share(self, job: Job) -> int:
        """The most tokens at a time, for who else may come."""
        if not job.batch_class:
            return self._most
        return self._pace.sizer.background(self._somebody_chats)

    def _look(self, p: Prefill) -> None:
        """At its pictures, piece by piece, until the time is up or somebody has come."""
        assert p.looking is not None
        running = self._streaming
        if p.pixels:
            self._tell(None, p.pixels)
            p.pixels = 0
        began = self._pace.settle(self._batch.flight)
        until = began + self._pace.sizer.pause(running)
        try:
            while not self._gives_way(p.job):
                next(p.looking)
                self._pace.steps += 1
                self._goes_on(p.job)
                if self._came() or time.perf_counter() >= until:
                    break
        except StopIteration as looked:
            p.sequence, p.looking = looked.value, None
        self._pace.paused(began, running)

    def _read_chunk(self, p: Prefill) -> Ready | None:
        size = min(p.left, self._pace.sizer.size(self._streaming), self._share(p.job))
        if size:
            with self._pace.chunk(size, self._batch.flight, self._streaming):
                self._backend.prefill(p.sequence, p.done, p.done + size, p.cache)
                mx.eval(kv.arrays(p.cache))
            p.done += size
            self._goes_on(p.job)
        if p.left:
            return None
        self.reading.remove(p)
        if p.done:
            self._prefix.store(prefix_key(p.job, p.done), kv.clone(p.cache))
        return Ready([p.job], p.cache, [p.sequence.rope_delta])

    def _read_together(self, chosen: list[Prefill]) -> Ready:
        """Several short prompts to their ends in one padded chunk."""
        lengths = [p.left for p in chosen]
        rows = [p.sequence.tokens[p.done : -1] for p in chosen]
        padded = mx.array([row + [0] * (max(lengths) - len(row)) for row in rows])
        cache = kv.to_batch([p.cache for p in chosen])
        with self._pace.chunk(padded.size, self._batch.flight, self._streaming):
            kv.pad(cache, lengths)
            deltas = mx.array([[p.sequence.rope_delta] for p in chosen], dtype=mx.int32)
            self._backend.prefill_rows(padded, cache, deltas)
            kv.unpad(cache)
            mx.eval(kv.arrays(cache))
        self._goes_on(chosen[0].job)
        for p in chosen:
            self.reading.remove(p)
        rope_deltas = [p.sequence.rope_delta for p in chosen]
        return Ready([p.job for p in chosen], cache, rope_deltas)
