"""One model's place: the engine process that serves it, now or when needed, and its requests.

`run` is the only task that moves the machine; everyone else puts inputs into its inbox. The task
of a process's life reads the channel and hands events straight to the requests.
"""

import asyncio
import itertools
import logging
import random
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from mlxd import wire
from mlxd.catalog import ModelEntry

from . import policy
from .contract import EngineUnavailable, Overloaded, RequestFailed
from .launch import log_tail
from .life import Life, Process
from .metrics import Counts
from .policy import Action, Machine, State
from .pulse import DEFAULT_LIMITS, OWN_LATENESS_S, Limits, Pulse
from .requests import Answer, EmbedRequest, Pace, Request

log = logging.getLogger(__name__)

HISTORY = 32
LOG_LINES = 5
# How long a client should wait before it asks for a model again whose engine failed for good.
FAILED_RETRY_S = 60.0
# What an engine says of itself that another try would not change.
LASTING = {"cannot_load"}


Spawn = Callable[[], Process]


class Transition(msgspec.Struct, frozen=True):
    at: float
    state: State
    cause: str


class Slot:
    def __init__(
        self,
        entry: ModelEntry,
        spawn: Spawn,
        *,
        queue_limit: int,
        limits: Limits = DEFAULT_LIMITS,
        on_pid: Callable[[int, bool], None] = lambda pid, alive: None,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.entry = entry
        self.machine = Machine(size_bytes=entry.size_bytes, since=time.monotonic())
        self.hello: wire.Hello | None = None
        self.progress: wire.Progress | None = None
        self.history: deque[Transition] = deque(maxlen=HISTORY)
        self.restarts = 0
        self.last_error = ""
        self.counts = Counts()
        self._spawn = spawn
        self._queue_limit = queue_limit
        self._limits = limits
        self._on_pid = on_pid
        self._dice = dice
        self._inbox: asyncio.Queue[policy.Input] = asyncio.Queue()
        # 0 is the engine's own.
        self._ids = itertools.count(1)
        self._requests: dict[int, Request] = {}
        self._alone: deque[int] = deque()
        self._pace = Pace()
        self._life: Life | None = None
        self._pulse: Pulse | None = None
        self._log: Path | None = None
        self._changed = asyncio.Event()
        self._closing = False
        self._lasting = False
        self._drain_s = 0.0
        self._task = asyncio.create_task(self.run(), name=f"slot {entry.id}")

    # --- what others may ask -----------------------------------------------------------------

    @property
    def state(self) -> State:
        return self.machine.state

    @property
    def pid(self) -> int | None:
        return self._life.pid if self._life else None

    @property
    def waiting(self) -> int:
        return sum(not request.sent for request in self._requests.values())

    @property
    def running(self) -> int:
        return len(self._requests) - self.waiting

    def generate(self, submit: wire.Submit) -> Answer:
        self._check_admission()
        numbered = msgspec.structs.replace(submit, id=next(self._ids))
        answer = Answer(numbered, time.monotonic(), self)
        self._admit(answer)
        return answer

    async def embed(self, frame: wire.Embed) -> wire.Embedded:
        self._check_admission()
        numbered = msgspec.structs.replace(frame, id=next(self._ids))
        request = EmbedRequest(numbered, time.monotonic())
        self._admit(request)
        try:
            return await request.result
        finally:
            self.withdraw(request)

    def want(self, cause: str) -> None:
        self._inbox.put_nowait(policy.Want(cause))

    def start(self, cause: str) -> None:
        self._inbox.put_nowait(policy.Start(cause))

    def stop(self, cause: str, drain_s: float = 0.0) -> None:
        self._inbox.put_nowait(policy.Stop(cause, drain_s))

    async def until(self, states: Sequence[State]) -> State:
        """Wait for one of the states."""
        while self.machine.state not in states:
            await self._changed.wait()
        return self.machine.state

    async def close(self, cause: str, drain_s: float) -> None:
        """Stop for good; returns when the process is reaped."""
        if self._task.done():
            return
        self._closing = True
        for request in [r for r in self._requests.values() if not r.sent]:
            self._fail(request, EngineUnavailable(f"{self.entry.id}: {cause}."))
        self.stop(cause, drain_s)
        # What is queued before it must be seen first, or a start could still follow the look.
        while self.machine.state not in (State.STOPPED, State.FAILED) or not self._inbox.empty():
            await self._changed.wait()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def describe(self, request: Request) -> str:
        """In a few words, for a keep-alive comment."""
        state = self.machine.state
        if state is State.READY:
            if not request.sent:
                return "queued"
            if request.first_at is not None:
                return "generating"
            return self._measured("prefilling") or "queued"
        if state is State.STOPPED and self.machine.retry_at is not None:
            return f"restarting in {max(0.0, self.machine.retry_at - time.monotonic()):.0f} s"
        return self._measured("loading") or str(state)

    def _measured(self, phase: str) -> str:
        progress = self.progress
        if progress is None or progress.phase != phase:
            return ""
        share = f" {100 * progress.done // progress.total} %" if progress.total else ""
        return phase + share

    # --- requests ----------------------------------------------------------------------------

    def _check_admission(self) -> None:
        if self._closing:
            raise EngineUnavailable("The service is stopping.")
        if self.machine.state is State.FAILED:
            raise self._failure()
        if len(self._requests) >= self._queue_limit:
            wait = self._pace.refused()
            raise Overloaded(
                f"{self.entry.id} has {len(self._requests)} requests already, which is its limit "
                f"(setting server.queue_limit). Try again in {wait:.0f} s.",
                wait,
            )

    def _admit(self, request: Request) -> None:
        self._requests[request.id] = request
        self.counts.requests += 1
        if self.machine.state is State.READY and not self._alone:
            self._send(request)
        else:
            self.want("a request came")

    def _send(self, request: Request) -> None:
        assert self._life is not None
        request.sent = True
        self._life.send(request.to_send())
        # The watch on an idle engine is looser than on one that has work.
        if self._pulse is not None and self.running == 1:
            self._pulse.excuse(time.monotonic())

    def _send_all(self) -> None:
        """Everything that waits, unless a suspect has to go through alone first."""
        while self._alone:
            suspect = self._requests.get(self._alone[0])
            if suspect is not None:
                if not suspect.sent and not self.running:
                    self._send(suspect)
                return
            self._alone.popleft()
        for request in self._requests.values():
            if not request.sent:
                self._send(request)

    def withdraw(self, request: Request) -> None:
        """Nobody waits for it any more."""
        if self._requests.pop(request.id, None) is None:
            return
        if request.sent and self._life is not None:
            self._life.send(wire.Cancel(request.id))
        self._after_one_left()

    def _complete(self, request: Request) -> None:
        del self._requests[request.id]
        self._pace.completed()
        if self._life is not None:
            self._life.served = True
        self._after_one_left()

    def _fail(self, request: Request, error: EngineUnavailable | RequestFailed) -> None:
        self._requests.pop(request.id, None)
        self.counts.failed += 1
        request.fail(error)

    def _after_one_left(self) -> None:
        if self._alone and self.machine.state is State.READY:
            self._send_all()

    # --- what an engine says -----------------------------------------------------------------

    def hear(self, frame: wire.Up) -> None:
        """Called for each frame, in order, by the life that runs now."""
        now = time.monotonic()
        pulse = self._pulse
        assert pulse is not None
        match frame:
            case wire.Step():
                pulse.beat(now)
                for event in frame.events:
                    self._take(event, now)
            case wire.Progress():
                pulse.beat(now, frame.phase)
                self.progress = frame
                if self.machine.state is State.STARTING:
                    self._inbox.put_nowait(policy.Spoke())
            case wire.Hello():
                pulse.greeted(now, frame.parameters, frame.device)
                self.hello = frame
                self._inbox.put_nowait(policy.Greeted())
            case wire.Embedded():
                pulse.beat(now)
                request = self._requests.get(frame.id)
                if isinstance(request, EmbedRequest):
                    self._complete(request)
                    request.result.set_result(frame)
            case wire.Failed():
                self._take_failure(frame)
            case wire.Drained():
                self._inbox.put_nowait(policy.DrainDone())

    def _take(self, event: wire.Event, now: float) -> None:
        request = self._requests.get(event.id)
        if not isinstance(request, Answer):
            # Cancelled meanwhile, or never ours.
            return
        if event.tokens:
            self.counts.tokens(request, len(event.tokens), now)
        request.take(event)
        if event.finish is not None:
            if event.usage is not None:
                self.counts.used(event.usage)
            self._complete(request)

    def _take_failure(self, failed: wire.Failed) -> None:
        if failed.traceback:
            log.error("engine %s: %s\n%s", self.entry.id, failed.message, failed.traceback)
        if failed.id == 0:
            self.last_error = failed.message
            self._lasting = failed.code in LASTING
            return
        request = self._requests.get(failed.id)
        if request is not None:
            self._complete(request)
            self.counts.failed += 1
            request.fail(RequestFailed(failed))

    # --- the single writer -------------------------------------------------------------------

    async def run(self) -> None:
        while True:
            wake = self._wake_at()
            what: policy.Input
            try:
                # Never from the loop's own clock, which some loops read only once a turn.
                delay = None if wake is None else max(0.0, wake - time.monotonic())
                async with asyncio.timeout(delay):
                    what = await self._inbox.get()
            except TimeoutError:
                what = self._look(wake)
            self._apply(what)

    def _wake_at(self) -> float | None:
        times = [policy.wake_at(self.machine)]
        if self._watched():
            assert self._pulse is not None
            times.append(self._pulse.deadline(busy=self.running > 0))
        return min((t for t in times if t is not None), default=None)

    def _watched(self) -> bool:
        state = self.machine.state
        watched = state in policy.COMING_UP or state in (State.READY, State.DRAINING)
        return self._pulse is not None and watched

    def _look(self, due: float | None) -> policy.Input:
        """What the time that has passed means."""
        now = time.monotonic()
        pulse = self._pulse
        if pulse is not None and self._watched():
            busy = self.running > 0
            if due is not None and now - due > OWN_LATENESS_S:
                pulse.excuse(now)
            elif now >= pulse.deadline(busy=busy):
                return policy.Silent(pulse.silence(now, busy=busy))
        return policy.Tick()

    def _apply(self, what: policy.Input) -> None:
        before = self.machine.state
        if isinstance(what, policy.Stop):
            self._drain_s = what.drain_s
        if isinstance(what, policy.Gone):
            what = self._bury(what)
        self.machine, actions = policy.advance(self.machine, what, time.monotonic(), self._dice())
        after = self.machine
        if after.state is not before or Action.SPAWN in actions:
            self.history.append(Transition(time.time(), after.state, after.cause))
            log.info("engine %s: %s -> %s (%s)", self.entry.id, before, after.state, after.cause)
        for action in actions:
            self._do(action)
        if after.state is State.READY and before is not State.READY:
            self._send_all()
            if not after.wanted:
                # It only came back to finish what its predecessor died with while draining.
                self.stop("the answers it owed were sent", self._drain_s)
        elif after.state is State.FAILED:
            failure = self._failure()
            for request in list(self._requests.values()):
                self._fail(request, failure)
        elif after.state is State.STOPPED and not after.wanted and after.retry_at is None:
            for request in list(self._requests.values()):
                self._fail(request, EngineUnavailable(f"{self.entry.id}: {after.cause}."))
        self._changed.set()
        self._changed.clear()

    def _do(self, action: Action) -> None:
        if action is Action.SPAWN:
            self._begin()
            return
        if self._life is None:
            return
        match action:
            case Action.SEND_DRAIN:
                self._life.send(wire.Drain())
            case Action.SEND_STOP:
                self._life.send(wire.Stop())
            case Action.TERM:
                self._life.signal(signal.SIGTERM)
            case Action.KILL:
                self._life.signal(signal.SIGKILL)

    def _begin(self) -> None:
        self.hello = self.progress = None
        self.last_error = ""
        self._lasting = False
        try:
            process = self._spawn()
        except OSError as error:
            self._inbox.put_nowait(policy.Gone(f"its process can't be started: {error}"))
            return
        self._log = process.log
        self._on_pid(process.pid, True)
        self._pulse = Pulse(time.monotonic(), self.entry.size_bytes, self._limits)
        self._life = Life(process, self.hear, self._inbox.put_nowait)

    def _bury(self, gone: policy.Gone) -> policy.Gone:
        """The process is reaped: decide what becomes of the requests that were with it."""
        life, self._life = self._life, None
        self._pulse = None
        served = life is not None and life.served
        if life is not None:
            self._on_pid(life.pid, False)
        if self.machine.state is State.STOPPING:
            self._end_those_sent(f"{self.entry.id}: {self.machine.cause}.")
            return gone
        self.restarts += 1
        if not self.last_error:
            stalled = self.machine.state is State.STALLED
            self.last_error = self.machine.cause if stalled else gone.detail
        sent = [request for request in self._requests.values() if request.sent]
        for request in sent:
            request.sent = False
            request.deaths += 1
        verdict = policy.judge([(request.id, request.deaths) for request in sent])
        self._alone.extend(i for i in verdict.alone if i not in self._alone)
        for number in verdict.poison:
            request = self._requests[number]
            message = (
                f"{request.deaths} engines died while they worked on this request, the last one "
                f"so: {self.last_error}. It was not tried again."
            )
            self._fail(request, RequestFailed(wire.Failed(number, "engine", message)))
        owed = bool(self._requests) and not self._closing
        return policy.Gone(gone.detail, served=served, lasting=self._lasting, owed=owed)

    def _end_those_sent(self, message: str) -> None:
        for request in [r for r in self._requests.values() if r.sent]:
            self._fail(request, EngineUnavailable(message))

    def failure_text(self) -> str:
        tail = log_tail(self._log, LOG_LINES) if self._log else []
        told = self.last_error or self.machine.cause
        lines = f" Last lines of {self._log}: " + " | ".join(tail) if tail else ""
        return f"The engine of {self.entry.id} failed: {told.rstrip('.')}.{lines}"

    def _failure(self) -> EngineUnavailable:
        return EngineUnavailable(self.failure_text(), FAILED_RETRY_S)
