"""The step thread: the only one that touches MLX.

Every round: take what came in, drop what was cancelled, admit by priority, launch one decode step
for all running rows, read the step before it, and give one chunk of prefill to the prompt whose
turn it is. A fault in one prompt ends that request; a fault in a step ends the requests of that
step; either way the loop goes on with clean state, or the process ends. It never lingers dead.
"""

import logging
import queue
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import mlx.core as mx

from mlxd.machine import give_back_freed
from mlxd.wire import Failed, Progress, Submit, Tokens

from . import kv
from .backends import Backend, Sequence, picture_key
from .batch import Batch, Flight, Read, Row
from .job import Job
from .prefix import Key, PrefixCache, key_of
from .sampling import RowSampling
from .scheduler import (
    COURTESY_SECONDS,
    ChunkSizer,
    Room,
    expected_tokens,
    group,
    next_to_admit,
    next_to_prefill,
    urgency,
)
from .text import GrammarFault
from .writer import Reason, Top

log = logging.getLogger(__name__)

# Idle, the thread still says that it is there; busy, it says how far it is this often.
IDLE_HEARTBEAT_SECONDS = 1.0
BUSY_HEARTBEAT_SECONDS = 0.25
# Steps that fail one after the other without a success between mean the device is gone.
FAULTS_TO_GIVE_UP = 3
# MLX keeps freed buffers for reuse; handed back now and then so that memory comes down again, and
# all of it once nothing was asked for so many heartbeats.
STEPS_BETWEEN_TRIMS = 512
IDLE_HEARTBEATS_TO_TRIM = 3


class Signal(Enum):
    """What may come into the step thread's inbox beside jobs."""

    WAKE = "look at what was cancelled"
    STOP = "end"


class GivenUp(Exception):
    """The device fails again and again: the process must end so that another can take over."""


@dataclass(frozen=True)
class Limits:
    rows: int
    kv_bytes: int
    prefix_bytes: int
    prefill_chunk: int = 2048
    first_chunk: int = 256


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


class Says(Protocol):
    """Where the step thread's tokens go: the writer, or nowhere while warming up."""

    def token(
        self, job: Job, token: int, logprob: float | None, top: Top, reason: Reason | None
    ) -> None: ...
    def flush(self) -> None: ...
    def failed(self, job: Job, failed: Failed) -> None: ...


class _Silent:
    """Takes the tokens of warming up; a fault there is a fault of the model."""

    def token(self, *_: object) -> None: ...
    def flush(self) -> None: ...
    def failed(self, job: Job, failed: Failed) -> None:
        raise WarmUpFailed(failed.message)


class WarmUpFailed(Exception):
    """The model can't generate."""


@dataclass
class Stepper:
    backend: Backend
    writer: Says
    limits: Limits
    report: Callable[[Progress], None]
    inbox: queue.SimpleQueue[Job | Signal] = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        self.batch = Batch(self.backend)
        self.waiting: list[Job] = []
        self.prefills: list[Prefill] = []
        self.prefix = PrefixCache(self.limits.prefix_bytes)
        self.sizer = self._new_sizer()
        self.bytes_per_token = 1
        self.steps = 0
        self._stopping = False
        self._flight: Flight | None = None
        self._faults = 0
        self._clock: float | None = None
        self._chunked = False
        self._chatted = -COURTESY_SECONDS
        self._phase = ""
        self._told = 0.0
        self._rested = 0
        cache = self.backend.make_cache()
        self._batchable = kv.can_batch(cache)
        # State that can't be rolled back must be kept at the end of each prompt, row by row.
        self._paddable = self._batchable and kv.can_trim(cache) and kv.can_pad(kv.to_batch([cache]))

    # --- the loop ----------------------------------------------------------------------------

    def warm_up(self) -> None:
        """Generate a few tokens the way requests do, so that ready means ready: alone and
        together, greedy and drawn. Kernels that are compiled at run time are compiled here."""
        cache = self.backend.make_cache()
        self.backend.prefill(self.backend.begin([0] * 9, None, 0), 0, 8, cache)
        mx.eval(kv.arrays(cache))
        self.bytes_per_token = max(1, kv.bytes_per_token(cache))
        settings = [RowSampling(), RowSampling(temperature=1.0, top_k=20, top_p=0.8), RowSampling()]
        self._try_out(settings[:1])
        try:
            self._try_out(settings)
        except Exception as error:  # noqa: BLE001 - whatever MLX raises, the model still runs alone
            log.warning("requests are served one after the other: together they fail: %s", error)
            self._batchable = self._paddable = False
            self.waiting, self.prefills, self._flight = [], [], None
            self.batch.clear()
            self._try_out(settings)
        self.prefix = PrefixCache(self.limits.prefix_bytes)
        self.sizer = self._new_sizer()
        self._clock = None

    def _try_out(self, settings: list[RowSampling]) -> None:
        for place, sampling in enumerate(settings):
            job = Job(Submit(0, Tokens([0])), sampling=sampling, budget=3)
            job.prompt = [place] * (7 + place)  # so that lengths differ and nothing is cached
            self.waiting.append(job)
        self._run_silently()

    def _new_sizer(self) -> ChunkSizer:
        return ChunkSizer(most=self.limits.prefill_chunk, first=self.limits.first_chunk)

    def _run_silently(self) -> None:
        writer, self.writer = self.writer, _Silent()
        try:
            while self.waiting or self._busy:
                self._admit()
                self._decode()
                self._prefill_some()
        finally:
            self.writer = writer

    def run(self) -> None:
        """Until told to stop."""
        while not self._stopping:
            self._take_in()
            self._drop_cancelled()
            self._make_room()
            self._admit()
            try:
                self._decode()
            except Exception as error:  # noqa: BLE001 - what MLX raises belongs to this step's rows
                self._fail_step(error)
            self._prefill_some()
            self._tell()

    @property
    def _busy(self) -> bool:
        return bool(self.batch.rows or self.prefills or self._flight)

    def _take_in(self) -> None:
        """Everything that has come in; with nothing else to do, wait for it."""
        while not self._stopping:
            idle = not self._busy and not self.waiting
            if idle:
                self._clock = None
            try:
                item = self.inbox.get(block=idle, timeout=IDLE_HEARTBEAT_SECONDS)
            except queue.Empty:
                if not idle:
                    return
                self._rest()
                continue
            self._rested = 0
            if item is Signal.STOP:
                self._stopping = True
            elif isinstance(item, Job):
                self.waiting.append(item)
            if self.inbox.empty():
                return

    def _rest(self) -> None:
        self._rested += 1
        if self._rested == IDLE_HEARTBEATS_TO_TRIM:
            mx.clear_cache()
            give_back_freed()
        self._tell(always=True)

    def _drop_cancelled(self) -> None:
        for job in [j for j in self.waiting if j.cancelled]:
            self.waiting.remove(job)
        self.prefills = [p for p in self.prefills if not p.job.cancelled]
        self._end([r for r in self.batch.rows if r.job.cancelled])

    # --- admission ---------------------------------------------------------------------------

    @property
    def kv_tokens(self) -> int:
        """How many tokens the budget holds in all."""
        return self.limits.kv_bytes // self.bytes_per_token

    def _reserved(self) -> int:
        jobs = [r.job for r in self.batch.rows] + [p.job for p in self.prefills]
        return sum(expected_tokens(j) for j in jobs)

    def _admit(self) -> None:
        most = self.limits.rows if self._batchable else 1
        while self.waiting:
            used = len(self.batch.rows) + len(self.prefills)
            room = Room(most - used, self.kv_tokens - self._reserved(), most)
            job = next_to_admit(self._free_to_begin(), room)
            if job is None:
                return
            self.waiting.remove(job)
            try:
                self._begin(job)
            except Exception as error:  # noqa: BLE001 - MLX or the model's code: this prompt's own fault
                self._fail(job, error)

    def _free_to_begin(self) -> list[Job]:
        """While grammars have used up their time, no other one begins beside what runs."""
        if not self._busy:
            return self.waiting
        return [j for j in self.waiting if j.matcher is None or not j.matcher.must_wait]

    def _make_room(self) -> None:
        """Answers without a limit may grow past what was thought. The youngest row gives way: it
        goes on later from the tokens that it has, and its client sees a pause."""
        rows = list(self.batch.rows)
        held = sum(len(r.job.tokens) for r in rows) + sum(len(p.job.tokens) for p in self.prefills)
        while held > self.kv_tokens and len(rows) > 1:
            youngest = max(rows, key=lambda r: urgency(r.job))
            rows.remove(youngest)
            held -= len(youngest.job.tokens)
            self.batch.drop([youngest])
            self.waiting.append(youngest.job)

    def _begin(self, job: Job) -> None:
        tokens = job.tokens
        found = self.prefix.find(self._key(job, len(tokens)))
        cache, start = (found.cache, found.length) if found else (self.backend.make_cache(), 0)
        if not job.generated:
            job.cached = start
        if not job.batch_class:
            self._chatted = time.monotonic()
        if pixels := self.backend.looks_at(job.vision, start):
            looking = self.backend.look(tokens, job.vision, start)
            known = Sequence(tokens, {})
            self.prefills.append(Prefill(job, known, cache, start, looking, pixels))
        else:
            sequence = self.backend.begin(tokens, job.vision, start)
            self.prefills.append(Prefill(job, sequence, cache, start))

    def _key(self, job: Job, length: int) -> Key:
        tokens = job.tokens[:length]
        return key_of(tokens) if job.vision is None else picture_key(tokens, job.vision)

    # --- prefill -----------------------------------------------------------------------------

    @property
    def _streaming(self) -> bool:
        """Whether somebody looks on as rows go on: background rows can be held up, and go the
        faster together the sooner the next ones join them."""
        return any(not r.job.batch_class for r in self.batch.rows)

    @property
    def _chat_begins(self) -> bool:
        return any(not p.job.batch_class for p in self.prefills) and all(
            r.job.batch_class for r in self.batch.rows
        )

    @property
    def _first_token_is_due(self) -> bool:
        """Of a chat: it is read before more background work is begun."""
        flying = self._flight.rows if self._flight else []
        return any(not (r.done or r.job.batch_class or r.job.generated) for r in flying)

    def _prefill_some(self) -> None:
        if not self.prefills:
            return
        queue = [(p.job, p.left) for p in self.prefills]
        first = next_to_prefill(queue, time.monotonic())
        chosen = [self.prefills[first]]
        if chosen[0].job.batch_class and self._first_token_is_due:
            return
        running = self._streaming
        most = min(self.sizer.burst(running), self._share(chosen[0].job))
        if running and not self.sizer.paid and (chosen[0].looking or chosen[0].left > most):
            return
        if self._paddable and chosen[0].plain:
            together = [self.prefills[i] for i in group(queue, first, most)]
            chosen = [p for p in together if p.plain]
        try:
            if len(chosen) > 1:
                self._prefill_together(chosen)
            elif chosen[0].looking:
                self._look(chosen[0])
            else:
                self._prefill_chunk(chosen[0])
        except Exception as error:  # noqa: BLE001 - whatever MLX raises belongs to these prompts
            for p in chosen:
                self.prefills.remove(p)
                self._fail(p.job, error)
        self._tell(prefill=chosen[0])

    def _share(self, job: Job) -> int:
        """The most tokens at a time, for who else may come."""
        if not job.batch_class:
            return self.limits.prefill_chunk
        return self.sizer.background(time.monotonic() - self._chatted < COURTESY_SECONDS)

    def _look(self, p: Prefill) -> None:
        """At its pictures, piece by piece, until the time is up or somebody has come."""
        assert p.looking is not None
        running = self._streaming
        if p.pixels:
            self._tell(pixels=p.pixels)
            p.pixels = 0
        began = self._wait_for_flight()
        until = began + self.sizer.pause(running)
        try:
            while True:
                next(p.looking)
                self.steps += 1
                if not self.inbox.empty() or time.perf_counter() >= until:
                    break
        except StopIteration as looked:
            p.sequence, p.looking = looked.value, None
        self._clock = time.perf_counter()
        self._chunked = True
        self.sizer.saw_pause(self._clock - began, running)

    def _prefill_chunk(self, p: Prefill) -> None:
        size = min(p.left, self.sizer.size(self._streaming), self._share(p.job))
        if size:
            with self._timed_chunk(size):
                self.backend.prefill(p.sequence, p.done, p.done + size, p.cache)
                mx.eval(kv.arrays(p.cache))
            p.done += size
        if p.left:
            return
        self.prefills.remove(p)
        if p.done:
            self.prefix.store(self._key(p.job, p.done), kv.clone(p.cache))
        self.batch.join([p.job], p.cache, [p.sequence.rope_delta])

    def _prefill_together(self, chosen: list[Prefill]) -> None:
        """Several short prompts to their ends in one padded chunk."""
        lengths = [p.left for p in chosen]
        rows = [p.sequence.tokens[p.done : -1] for p in chosen]
        padded = mx.array([row + [0] * (max(lengths) - len(row)) for row in rows])
        cache = kv.to_batch([p.cache for p in chosen])
        with self._timed_chunk(padded.size):
            kv.pad(cache, lengths)
            deltas = mx.array([[p.sequence.rope_delta] for p in chosen], dtype=mx.int32)
            self.backend.prefill_rows(padded, cache, deltas)
            kv.unpad(cache)
            mx.eval(kv.arrays(cache))
        for p in chosen:
            self.prefills.remove(p)
        self.batch.join([p.job for p in chosen], cache, [p.sequence.rope_delta for p in chosen])

    @contextmanager
    def _timed_chunk(self, tokens: int) -> Iterator[None]:
        running = self._streaming
        began = self._wait_for_flight()
        yield
        self._clock = time.perf_counter()
        self._chunked = True
        self.sizer.saw_chunk(tokens, self._clock - began, running)
        self.steps += 1

    def _wait_for_flight(self) -> float:
        """Or its time would count as that of what comes after it; returns the time."""
        if self._flight is not None:
            mx.eval(self._flight.sampled.arrays())
            if self._clock is not None:
                self.sizer.saw_decode(time.perf_counter() - self._clock)
        return time.perf_counter()

    # --- decoding ----------------------------------------------------------------------------

    def _decode(self) -> None:
        if self.batch.guided:
            self._land(self._flight)
            self._flight = None
        ahead = self._launch()
        if self._land(self._flight):
            self._clock_step()
        self._flight = ahead
        if ahead is not None:
            self.steps += 1
            if self.steps % STEPS_BETWEEN_TRIMS == 0:
                mx.clear_cache()

    def _clock_step(self) -> None:
        """A step takes from one landing to the next, while no chunk comes between them."""
        now = time.perf_counter()
        if self._clock is not None and not self._chunked:
            self.sizer.saw_decode(now - self._clock)
        self._chunked = False
        self._clock = now

    def _launch(self) -> Flight | None:
        allowed, faults = self.batch.masks()
        for row, fault in faults:
            self._fail(row.job, fault)
        if faults:
            self.batch.drop([row for row, _ in faults])
            return self._launch()
        if not self.batch.rows or self.batch.exhausted or self._chat_begins:
            return None
        return self.batch.launch(allowed)

    def _land(self, flight: Flight | None) -> bool:
        """Read a launched step and act on its tokens."""
        if flight is None:
            return False
        reads = flight.read()
        self._faults = 0
        ended = [r.row for r in reads if self._ends(r)]
        self.writer.flush()
        self._end(ended)
        return bool(reads)

    def _ends(self, read: Read) -> bool:
        """Take a row's token; true when nothing more is to come from it."""
        read.row.job.generated.append(read.token)  # it is fed already, wanted or not
        if read.row.job.cancelled:
            return False  # dropped at the beginning of the next round
        if not read.healthy:
            self._sick(read.row)
            return True
        try:
            return self._accept(read)
        except GrammarFault as fault:
            self._fail(read.row.job, fault)
            return True

    def _accept(self, read: Read) -> bool:
        """Take one token; true when it was the row's last."""
        job = read.row.job
        finish: Reason | None = None
        if read.token in job.eos or self._follow(job, read.token):
            finish = "stop"
        elif job.left <= 0:
            finish = "length"
        self.writer.token(job, read.token, read.logprob, read.top, finish)
        return finish is not None

    def _follow(self, job: Job, token: int) -> bool:
        """Advance the row's grammar; true when nothing may follow."""
        if job.matcher is None:
            return False
        job.matcher.advance(token)
        return job.matcher.finished

    def _sick(self, row: Row) -> None:
        self.prefix.shrink(0)  # whichever entry it came from must not serve again
        message = (
            "the model's output was not a number, or all alike: the weights or the device are "
            "damaged, or this input overflows the model's precision"
        )
        self.writer.failed(row.job, Failed(row.job.id, "engine", message))

    def _end(self, rows: list[Row]) -> None:
        for row in rows:
            if row in self.batch.rows and not row.job.failed:
                self._remember(row)
        if rows:
            self.batch.drop(rows)

    def _remember(self, row: Row) -> None:
        """Keep what a finished row computed: the next turn of its conversation begins with it."""
        assert row.fed <= len(row.job.tokens), "a cache must not hold tokens that its key lacks"
        if self.prefix.budget:
            self.prefix.store(self._key(row.job, row.fed), self.batch.take_cache(row))

    # --- faults ------------------------------------------------------------------------------

    def _fail(self, job: Job, error: Exception) -> None:
        if isinstance(error, GrammarFault):
            told = Failed(job.id, "client", str(error), error.param, error.code)
            self.writer.failed(job, told)
            return
        log.error("request %d failed", job.id, exc_info=error)
        message = str(error) or type(error).__name__
        self.writer.failed(job, Failed(job.id, "engine", message, traceback=traceback.format_exc()))

    def _fail_step(self, error: Exception) -> None:
        """Everything in the batch shares the fault; nothing of its state is kept."""
        for row in self.batch.rows:
            if not row.done and not row.job.cancelled:
                self._fail(row.job, error)
        self.batch.clear()
        self._flight = None
        self._faults += 1
        if self._faults >= FAULTS_TO_GIVE_UP:
            raise GivenUp(f"{self._faults} steps failed one after the other: {error}") from error

    # --- what it tells -----------------------------------------------------------------------

    def _tell(self, prefill: Prefill | None = None, always: bool = False, pixels: int = 0) -> None:
        looking = self.prefills or pixels
        phase = "prefilling" if looking else "decoding" if self.batch.rows else "idle"
        now = time.monotonic()
        soon = now - self._told < BUSY_HEARTBEAT_SECONDS
        if phase == self._phase and soon and not always and not pixels:
            return
        self._phase, self._told = phase, now
        done, total = (prefill.done, len(prefill.sequence.tokens)) if prefill else (0, 0)
        self.report(
            Progress(
                phase,
                done=done,
                total=total,
                steps=self.steps,
                running=len(self.batch.rows),
                waiting=len(self.waiting) + len(self.prefills),
                kv_bytes=self._reserved() * self.bytes_per_token,
                prefix_bytes=self.prefix.nbytes,
                memory=mx.get_active_memory(),
                peak_memory=mx.get_peak_memory(),
                rows=[r.job.id for r in self.batch.rows],
                pixels=pixels,
            )
        )
