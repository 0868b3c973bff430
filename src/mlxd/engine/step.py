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
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import mlx.core as mx

from mlxd.machine import give_back_freed
from mlxd.wire import Failed, Progress, Submit, Tokens

from . import kv
from .backends import Backend
from .batch import Batch, Flight, Read, Ready, Row
from .job import Job
from .pace import Pace
from .prefix import PrefixCache
from .prompts import Prefill, Prompts, prefix_key
from .sampling import RowSampling
from .scheduler import GIVES_WAY_SECONDS, ChunkSizer, Room, expected_tokens, next_to_admit, urgency
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
        self.prefix = PrefixCache(self.limits.prefix_bytes)
        self.pace = Pace(self._new_sizer())
        self.bytes_per_token = 1
        self._stopping = False
        # Whether the last step was a chat's own, and the background's rows stood still.
        self._stood = False
        self._launched = 0.0
        self._faults = 0
        self._phase = ""
        self._told = 0.0
        self._rested = 0
        cache = self.backend.make_cache()
        self._batchable = kv.can_batch(cache)
        self.prompts = Prompts(
            self.backend,
            self.batch,
            self.prefix,
            self.pace,
            most=self.limits.prefill_chunk,
            # State that can't be rolled back must be kept at the end of each prompt, row by row.
            paddable=self._batchable and kv.can_trim(cache) and kv.can_pad(kv.to_batch([cache])),
            came=lambda: not self.inbox.empty(),
            join=self._join,
            fail=self._fail,
            tell=self._tell,
        )

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
            self._batchable = self.prompts.paddable = False
            self.waiting, self.prompts.reading = [], []
            self.batch.clear()
            self.batch.flight = None
            self._try_out(settings)
        self.prefix.shrink(0)
        self.pace.sizer = self._new_sizer()
        self.pace.rest()

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
                self.prompts.read_some()
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
                self._fail_step(error, self.batch)
            self.prompts.read_some()
            self._tell()

    @property
    def _busy(self) -> bool:
        return bool(self.batch.rows or self.prompts.reading or self.batch.flight)

    def _take_in(self) -> None:
        """Everything that has come in; with nothing else to do, wait for it."""
        while not self._stopping:
            idle = not self._busy and not self.waiting
            if idle:
                self.pace.rest()
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
        self.prompts.drop_cancelled()
        self._end([r for r in self.batch.rows if r.job.cancelled], self.batch)

    # --- admission ---------------------------------------------------------------------------

    @property
    def kv_tokens(self) -> int:
        """How many tokens the budget holds in all."""
        return self.limits.kv_bytes // self.bytes_per_token

    def _reserved(self) -> int:
        jobs = [r.job for r in self.batch.rows] + [p.job for p in self.prompts.reading]
        return sum(expected_tokens(j) for j in jobs)

    def _admit(self) -> None:
        most = self.limits.rows if self._batchable else 1
        while self.waiting:
            used = len(self.batch.rows) + len(self.prompts.reading)
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
        held = sum(len(r.job.tokens) for r in rows)
        held += sum(len(p.job.tokens) for p in self.prompts.reading)
        while held > self.kv_tokens and len(rows) > 1:
            youngest = max(rows, key=lambda r: urgency(r.job))
            rows.remove(youngest)
            held -= len(youngest.job.tokens)
            self.batch.drop([youngest])
            self.waiting.append(youngest.job)

    def _begin(self, job: Job) -> None:
        self.prompts.begin(job)

    # --- decoding ----------------------------------------------------------------------------

    def _decode(self) -> None:
        # A chat that comes waits for what was launched, so there is no more of it than need be.
        courteous = self.prompts.courteous
        if self.batch.guided or courteous:
            self._land_flight()
        waits = self.prompts.chat_begins or (courteous and self._gives_way)
        ahead = None if waits else self._launch(self.batch)
        self._land_flight()
        self.batch.flight = ahead
        if ahead is not None:
            self._stood = False
            self._launched = time.monotonic()
            self.pace.steps += 1
            if self.pace.steps % STEPS_BETWEEN_TRIMS == 0:
                mx.clear_cache()

    def _land_flight(self) -> None:
        if self._land(self.batch.flight, self.batch):
            self.pace.decoded()
        self.batch.flight = None

    @property
    def _gives_way(self) -> bool:
        soon = time.monotonic() - self._launched < GIVES_WAY_SECONDS
        return soon and not self.inbox.empty()

    def _join(self, ready: Ready) -> None:
        """A chat that comes into background work has its first token from a step of its own: that
        of one row is over sooner, and its cache is moved to theirs when the token is out. Not twice
        in a row: chats without end would keep the background from going on."""
        background = self.batch.rows and all(r.job.batch_class for r in self.batch.rows)
        if not background or self._stood or ready.jobs[0].batch_class:
            self.batch.join(ready)
            return
        self._stood = True
        own = Batch(self.backend)
        own.join(ready)
        try:
            self._land(self._launch(own), own)
        except Exception as error:  # noqa: BLE001 - what MLX raises belongs to this step's rows
            self._fail_step(error, own)
        self.pace.steps += 1
        if own.rows:
            self.batch.join(own.ready())

    def _launch(self, batch: Batch) -> Flight | None:
        allowed, faults = batch.masks()
        for row, fault in faults:
            self._fail(row.job, fault)
        if faults:
            batch.drop([row for row, _ in faults])
            return self._launch(batch)
        if not batch.rows or batch.exhausted:
            return None
        return batch.launch(allowed)

    def _land(self, flight: Flight | None, batch: Batch) -> bool:
        """Read a launched step and act on its tokens."""
        if flight is None:
            return False
        reads = flight.read()
        self._faults = 0
        ended = [r.row for r in reads if self._ends(r)]
        self.writer.flush()
        self._end(ended, batch)
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

    def _end(self, rows: list[Row], batch: Batch) -> None:
        for row in rows:
            if row in batch.rows and not row.job.failed:
                self._remember(row, batch)
        if rows:
            batch.drop(rows)

    def _remember(self, row: Row, batch: Batch) -> None:
        """Keep what a finished row computed: the next turn of its conversation begins with it."""
        assert row.fed <= len(row.job.tokens), "a cache must not hold tokens that its key lacks"
        if self.prefix.budget:
            self.prefix.store(prefix_key(row.job, row.fed), batch.take_cache(row))

    # --- faults ------------------------------------------------------------------------------

    def _fail(self, job: Job, error: Exception) -> None:
        if isinstance(error, GrammarFault):
            told = Failed(job.id, "client", str(error), error.param, error.code)
            self.writer.failed(job, told)
            return
        log.error("request %d failed", job.id, exc_info=error)
        message = str(error) or type(error).__name__
        self.writer.failed(job, Failed(job.id, "engine", message, traceback=traceback.format_exc()))

    def _fail_step(self, error: Exception, batch: Batch) -> None:
        """Everything in the batch shares the fault; nothing of its state is kept."""
        for row in batch.rows:
            if not row.done and not row.job.cancelled:
                self._fail(row.job, error)
        batch.clear()
        batch.flight = None
        self._faults += 1
        if self._faults >= FAULTS_TO_GIVE_UP:
            raise GivenUp(f"{self._faults} steps failed one after the other: {error}") from error

    # --- what it tells -----------------------------------------------------------------------

    def _tell(self, prefill: Prefill | None = None, pixels: int = 0, always: bool = False) -> None:
        looking = self.prompts.reading or pixels
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
                steps=self.pace.steps,
                running=len(self.batch.rows),
                waiting=len(self.waiting) + len(self.prompts.reading),
                kv_bytes=self._reserved() * self.bytes_per_token,
                prefix_bytes=self.prefix.nbytes,
                memory=mx.get_active_memory(),
                peak_memory=mx.get_peak_memory(),
                rows=[r.job.id for r in self.batch.rows],
                pixels=pixels,
            )
        )
