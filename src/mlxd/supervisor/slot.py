"""One model's place: the engine process that serves it, now or when needed, and its requests.

`run` is the only task that moves the machine; everyone else puts inputs into its inbox. `rest`
alone moves it from outside: a look at the queue and the stop that follows must be one. The task of
a process's life reads the channel and hands events straight to the requests.
"""

import asyncio
import itertools
import logging
import random
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from mlxd import wire
from mlxd.catalog import ModelEntry

from . import policy
from .autopsy import LastWords
from .book import Book
from .contract import EngineUnavailable, ServiceStopping
from .life import Life, Process
from .policy import Action, Machine, State
from .pulse import DEFAULT_LIMITS, OWN_LATENESS_S, Limits, Pulse
from .requests import Answer, EmbedRequest, Request
from .waiting import waits_for

log = logging.getLogger(__name__)

HISTORY = 32
# How long a client should wait before it asks for a model again whose engine failed for good.
FAILED_RETRY_S = 60.0
# After a fault of our own, so that one which comes again at once does not take the processor.
FAULT_PAUSE_S = 0.5

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
        need: Callable[["Slot", str], None] | None = None,
        idle_timeout: float | None = None,
        pinned: bool = False,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.entry = entry
        self.machine = Machine(size_bytes=entry.size_bytes, since=time.monotonic())
        self.hello: wire.Hello | None = None
        self.progress: wire.Progress | None = None
        self.history: deque[Transition] = deque(maxlen=HISTORY)
        # The most that an engine of this model used, in the run before and in this one.
        self.peak_before = 0
        self.peak_now = 0
        self.restarts = 0
        self.words = LastWords()
        self.book = Book(
            entry.id,
            queue_limit,
            send=self._send,
            is_open=lambda: self.machine.state is State.READY,
        )
        # What was last asked for, before the machine has heard of it.
        self.intended = False
        # Stopped although it may be needed: the next request starts it, and nothing else does.
        self.resting = False
        # Room is being made for it: what waits will be served, though nobody has started it yet.
        self.awaited = False
        self.used_at = time.monotonic()
        self.idle_timeout = None if pinned else idle_timeout
        self.pinned = pinned
        self._wishes = 0
        self._need = need or Slot.want
        self._spawn = spawn
        self._limits = limits
        self._on_pid = on_pid
        self._dice = dice
        self._inbox: asyncio.Queue[policy.Input] = asyncio.Queue()
        # 0 is the engine's own.
        self._ids = itertools.count(1)
        self._life: Life | None = None
        self._pulse: Pulse | None = None
        self._changed = asyncio.Event()
        self._closing = False
        # The last stop: an engine that comes back for what is owed ends as its predecessor was to.
        self._stopped = policy.Stop("never started")
        self._task = asyncio.create_task(self.run(), name=f"slot {entry.id}")

    def configure(
        self, entry: ModelEntry, spawn: Spawn, idle_timeout: float | None, pinned: bool
    ) -> None:
        """New settings; the process that runs keeps those it was started with."""
        self.entry = entry
        self.idle_timeout = None if pinned else idle_timeout
        self.pinned = pinned
        self._spawn = spawn
        self._inbox.put_nowait(policy.Tick())

    # --- what others may ask -----------------------------------------------------------------

    @property
    def state(self) -> State:
        return self.machine.state

    @property
    def pid(self) -> int | None:
        return self._life.pid if self._life else None

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

    def withdraw(self, request: Request) -> None:
        self.used_at = time.monotonic()
        self.book.withdraw(request)
        self._notice_end()

    def want(self, cause: str) -> None:
        self._wish(policy.Want(cause))

    def start(self, cause: str) -> None:
        self._wish(policy.Start(cause))

    def _wish(self, what: policy.Want | policy.Start) -> None:
        if self._closing:
            # Whoever wished it, the next engine would have nobody left to look after it.
            return
        self.intended = True
        self.resting = False
        self._wishes += 1
        self._inbox.put_nowait(what)

    def wake(self) -> None:
        """It is newly needed: neither rest nor a failure keep it from being started."""
        self.resting = False
        self.intended = self.intended and self.machine.state is not State.FAILED

    def stop(self, cause: str, drain_s: float = 0.0) -> None:
        self.intended = False
        self._inbox.put_nowait(policy.Stop(cause, drain_s))

    @property
    def peak(self) -> int:
        return max(self.peak_before, self.peak_now)

    @property
    def at_rest(self) -> bool:
        return self.resting and self.machine.state is State.STOPPED

    @property
    def is_idle(self) -> bool:
        """Ready, and nobody waits for anything. What is in the inbox may be a wish."""
        return self.machine.state is State.READY and not self.book and self._inbox.empty()

    def rest(self, cause: str) -> bool:
        """Stop until it is needed again, if it is idle; tells whether it was."""
        if not self.is_idle:
            return False
        self.intended = False
        self.resting = True
        self._apply(policy.Stop(cause))
        # The task has to look at the clock of the new state.
        self._inbox.put_nowait(policy.Tick())
        return True

    async def until(self, states: Sequence[State]) -> State:
        """Wait for one of the states."""
        while self.machine.state not in states:
            await self._changed.wait()
        return self.machine.state

    async def left(self) -> None:
        """Until its process is gone, or is wanted again: then the next may follow at once."""
        while self.machine.state in policy.ALIVE and not self.intended:
            await self._changed.wait()

    async def taken(self) -> None:
        """Until an engine has everything that waits, or none will come."""
        while self.book.waiting and (self._wishes or self._coming or self.state is State.READY):
            await self._changed.wait()

    @property
    def _coming(self) -> bool:
        return self.awaited or self.machine.wanted or self.machine.retry_at is not None

    @property
    def _returns(self) -> bool:
        """Another engine follows the one that was told to stop: it is wanted already, or the wish
        is in the inbox, or comes when there is room."""
        wished = self.machine.wanted or self._wishes > 0 or self.awaited
        return wished and not self._closing

    async def close(self, cause: str, drain_s: float) -> None:
        """Stop for good; returns when the process is reaped."""
        if self._task.done():
            return
        self._closing = True
        error = EngineUnavailable(f"{self.entry.id}: {cause}.")
        self.book.fail_those(error, sent=False)
        self.stop(cause, drain_s)
        # What is queued before it must be seen first, or a start could still follow the look.
        while self.machine.state not in (State.STOPPED, State.FAILED) or not self._inbox.empty():
            await self._changed.wait()
        self.book.fail_all(error)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def describe(self, request: Request) -> str:
        """In a few words, for a keep-alive comment."""
        return waits_for(self.machine, self.progress, request)

    def failure_text(self) -> str:
        return self.words.told(self.entry.id, self.machine.cause)

    def _failure(self) -> EngineUnavailable:
        return EngineUnavailable(self.failure_text(), FAILED_RETRY_S)

    def _check_admission(self) -> None:
        if self._closing:
            raise ServiceStopping
        if self.machine.state is State.FAILED:
            raise self._failure()
        self.book.check_room()

    def _admit(self, request: Request) -> None:
        self.used_at = time.monotonic()
        if self.machine.state is not State.READY or not self.intended:
            # Refused here, it was never queued.
            self._need(self, "a request came")
        self.book.add(request)

    # --- the engine's side -------------------------------------------------------------------

    def _send(self, frame: wire.Down) -> None:
        if self._life is None:
            return
        self._life.send(frame)
        if self._pulse is not None and self.book.running == 1:
            # It was watched as an idle engine; from now on it has the time that work takes.
            self._pulse.excuse(time.monotonic())

    def hear(self, frame: wire.Up) -> None:
        """Called for each frame, in order, by the life that runs now."""
        now = time.monotonic()
        assert self._pulse is not None
        ended = False
        match frame:
            case wire.Step():
                self._pulse.beat(now)
                for event in frame.events:
                    ended |= self.book.take(event)
            case wire.Progress():
                self._pulse.beat(now, frame.phase, frame.pixels)
                self.progress = frame
                self.peak_now = max(self.peak_now, frame.peak_memory)
                patience_s = self._pulse.limit(busy=True)
                self._mind_the_lost(self.book.lost(frame, now, patience_s))
                if self.machine.state is State.STARTING:
                    self._inbox.put_nowait(policy.Spoke())
            case wire.Hello():
                self._pulse.greeted(now, frame.parameters, frame.device)
                self.hello = frame
                self._inbox.put_nowait(policy.Greeted())
            case wire.Embedded():
                self._pulse.beat(now)
                ended = self.book.take_vectors(frame)
            case wire.Failed():
                ended = self._take_failure(frame)
            case wire.Drained():
                self._inbox.put_nowait(policy.DrainDone())
        if ended and self._life is not None:
            self._life.served = True
            self.used_at = now
            if self.idle_timeout is not None and not self.book:
                self._inbox.put_nowait(policy.Tick())
            self._notice_end()

    def _mind_the_lost(self, lost: Sequence[Request]) -> None:
        """Once, it may be a row's fault. An engine that loses the same one again is broken, and one
        that drains takes nothing new."""
        if not lost:
            return
        what = f"it lost {len(lost)} of the {self.book.running} answers that it owed"
        if self.machine.state is State.READY and not any(request.lost for request in lost):
            log.error("engine %s: %s; they are sent anew", self.entry.id, what)
            for request in lost:
                self.book.send_anew(request, next(self._ids))
        else:
            self._inbox.put_nowait(policy.Silent(what))

    def _notice_end(self) -> None:
        """A request has left the book."""
        self._stop_if_only_owed()
        self._wake_those_who_wait()

    def _stop_if_only_owed(self) -> None:
        """It only came back to finish what its predecessor died with while draining. Suspects,
        which it gets one by one, are owed an answer too."""
        ready = self.machine.state is State.READY
        if ready and not (self.machine.wanted or self._wishes or self.book.waiting):
            self.stop(self._stopped.cause, self._stopped.drain_s)

    def _wake_those_who_wait(self) -> None:
        self._changed.set()
        self._changed.clear()

    def _take_failure(self, failed: wire.Failed) -> bool:
        if failed.traceback:
            log.error("engine %s: %s\n%s", self.entry.id, failed.message, failed.traceback)
        if failed.id == 0:
            self.words.said(failed)
        return self.book.take_failure(failed)

    # --- the single writer -------------------------------------------------------------------

    async def run(self) -> None:
        while True:
            what: policy.Input | None = None
            try:
                what = await self._next()
                self._apply(what)
            except Exception:
                log.exception("engine %s: %s could not be handled", self.entry.id, what)
                self._recover()
                await asyncio.sleep(FAULT_PAUSE_S)

    async def _next(self) -> policy.Input:
        wake = self._wake_at()
        try:
            # Never from the loop's own clock, which some loops read only once a turn.
            delay = None if wake is None else max(0.0, wake - time.monotonic())
            async with asyncio.timeout(delay):
                return await self._inbox.get()
        except TimeoutError:
            return self._look(wake)

    def _recover(self) -> None:
        """From a fault of our own: nobody waits for ever because of it, and the next input finds
        a state that is true."""
        if self._life is None and self.machine.state in policy.ALIVE:
            gone = policy.Gone("its end could not be handled (see gateway.log)", lasting=True)
            self.machine, _ = policy.advance(self.machine, gone, time.monotonic())
        self.book.fail_all(self._failure())
        self._wake_those_who_wait()

    def _wake_at(self) -> float | None:
        times = [policy.wake_at(self.machine)]
        if self._watched():
            assert self._pulse is not None
            times.append(self._pulse.deadline(busy=self.book.running > 0))
        times.append(self._idle_until())
        return min((t for t in times if t is not None), default=None)

    def _idle_until(self) -> float | None:
        if self.idle_timeout is None or self.machine.state is not State.READY or self.book:
            return None
        # A model that was just loaded for somebody is not taken away before he could ask.
        return max(self.used_at, self.machine.since) + self.idle_timeout

    def _watched(self) -> bool:
        state = self.machine.state
        watched = state in policy.COMING_UP or state in (State.READY, State.DRAINING)
        return self._pulse is not None and watched

    def _look(self, due: float | None) -> policy.Input:
        """What the time that has passed means."""
        now = time.monotonic()
        pulse = self._pulse
        if pulse is not None and self._watched():
            busy = self.book.running > 0
            if due is not None and now - due > OWN_LATENESS_S:
                pulse.excuse(now)
            elif now >= pulse.deadline(busy=busy):
                return policy.Silent(pulse.silence(now, busy=busy))
        idle_until = self._idle_until()
        if idle_until is not None and now >= idle_until and self._inbox.empty():
            self.intended = False
            self.resting = True
            return policy.Stop(f"idle for {self.idle_timeout:g} s")
        return policy.Tick()

    def _apply(self, what: policy.Input) -> None:
        before = self.machine.state
        if isinstance(what, policy.Stop):
            self._stopped = what
        if isinstance(what, policy.Want | policy.Start):
            self._wishes -= 1
        if isinstance(what, policy.Gone):
            what = self._bury(what)
        self.machine, actions = policy.advance(self.machine, what, time.monotonic(), self._dice())
        after = self.machine
        if after.state is not before or Action.SPAWN in actions:
            self.history.append(Transition(time.time(), after.state, after.cause))
            level = logging.WARNING if policy.is_fault(before, what, after) else logging.INFO
            words = (self.entry.id, before, after.state, after.cause)
            log.log(level, "engine %s: %s -> %s (%s)", *words)
        for action in actions:
            self._do(action)
        if after.state is not before or isinstance(what, policy.Stop):
            self._settle(what.cause if isinstance(what, policy.Stop) else after.cause)
        self._wake_those_who_wait()

    def _settle(self, cause: str) -> None:
        """What a new state, or a stop, means for the requests."""
        machine = self.machine
        if machine.state is State.READY:
            self.book.send_all()
            self._stop_if_only_owed()
        elif machine.state is State.FAILED:
            self.book.fail_all(self._failure())
        elif machine.state is State.STOPPED and not machine.wanted and machine.retry_at is None:
            if self._returns:
                return
            if self._closing and "stopping" not in cause:
                cause = f"the service is stopping; {cause}"
            self.book.fail_all(EngineUnavailable(f"{self.entry.id}: {cause}."))

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
        self.book.engine_begins()
        self.peak_before, self.peak_now = self.peak_now or self.peak_before, 0
        self.words.begin()
        try:
            process = self._spawn()
        except OSError as error:
            self._inbox.put_nowait(policy.Gone(f"its process can't be started: {error}"))
            return
        self.words.logs_to(process.log)
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
            if self._returns:
                self.book.engine_left()
            else:
                error = EngineUnavailable(f"{self.entry.id}: {self.machine.cause}.")
                self.book.fail_those(error, sent=True)
            return gone
        self.restarts += 1
        stalled = self.machine.state is State.STALLED
        self.book.engine_died(self.words.died(self.machine.cause if stalled else gone.detail))
        owed = len(self.book) > 0 and not self._closing
        return policy.Gone(gone.detail, served=served, lasting=self.words.lasting, owed=owed)
