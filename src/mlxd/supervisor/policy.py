"""What an engine does next: a pure function of its state and of what happened.

    state      means                                     leaves when
    stopped    no process; `retry_at` if one is due      wanted, and the time has come
    starting   spawned, nothing heard yet                first frame, death, silence
    loading    it reports progress                       hello, death, silence
    ready      it has generated a token                  stop, death, silence
    draining   finishing what runs, taking nothing       all done, or its time is up
    stopping   told to end; memory is being released     reaped (TERM, then KILL, when late)
    stalled    no sign of life, or half dead             reaped (TERM, then KILL); then as a crash
    failed     a crash loop, or a cause that will stay   an explicit start

Guards, each against a fault seen elsewhere: a new process is only spawned from `stopped`, so one
slot never holds two; a process leaves only by being reaped, so its memory is back before the next
one starts; a wish to start during `draining` or `stopping` is remembered, not lost and not acted
on early; the death of a process that was not told to stop is always a crash.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

# A crash right after another is rarely cured by haste; 300 s keeps a machine usable. A crash after
# service is no loop: the engine comes back at once, as its clients are waiting for their answers,
# and a request that kills engines is stopped by `judge`, not by making everyone wait.
FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 300.0
# At most half of the gap to the next step, so that delays grow strictly whatever the dice say.
JITTER = 0.5
STABLE_S = 300.0
CRASHES_UNTIL_FAILED = 5

# A wedged process may still hear SIGTERM; a stopped one (SIGSTOP) does not.
STALL_TERM_S = 1.0
# Between SIGTERM and SIGKILL while stopping: unmapping weights takes the driver time.
TERM_GRACE_S = 5.0
KILL_AGAIN_S = 5.0
# An engine told to stop releases its weights first. Killing it meanwhile has stranded wired memory
# until reboot on Metal, so the wait grows with the model: at least this much is released a second.
STOP_BASE_S = 10.0
RELEASED_BYTES_PER_S = 2e9

DEATHS_UNTIL_POISON = 2


class State(StrEnum):
    STOPPED = "stopped"
    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    STOPPING = "stopping"
    STALLED = "stalled"
    FAILED = "failed"


ALIVE = frozenset(State) - {State.STOPPED, State.FAILED}
# An engine in one of these will answer what is queued for it, unless it dies.
COMING_UP = frozenset({State.STARTING, State.LOADING})


# --- what happens ----------------------------------------------------------------------------


class Want(msgspec.Struct, frozen=True):
    """Something needs the engine: start it, unless it failed."""

    cause: str


class Start(msgspec.Struct, frozen=True):
    """Someone asked for it by name: also ends a failure and a waiting time."""

    cause: str


class Stop(msgspec.Struct, frozen=True):
    """`drain_s`: how long running requests may take; 0 ends them."""

    cause: str
    drain_s: float = 0.0


class Spoke(msgspec.Struct, frozen=True):
    pass


class Greeted(msgspec.Struct, frozen=True):
    pass


class DrainDone(msgspec.Struct, frozen=True):
    pass


class Silent(msgspec.Struct, frozen=True):
    """No progress for longer than what it is doing can take."""

    detail: str


class Broken(msgspec.Struct, frozen=True):
    """Its channel ended or carried nonsense, while the process may still be there."""

    detail: str


class Gone(msgspec.Struct, frozen=True):
    """Reaped. `served`: it completed a request. `lasting`: trying again would end the same.
    `owed`: clients still wait for answers that it had begun."""

    detail: str
    served: bool = False
    lasting: bool = False
    owed: bool = False


class Tick(msgspec.Struct, frozen=True):
    pass


Input = Want | Start | Stop | Spoke | Greeted | DrainDone | Silent | Broken | Gone | Tick


class Action(StrEnum):
    SPAWN = "spawn"
    SEND_DRAIN = "send drain"
    SEND_STOP = "send stop"
    TERM = "SIGTERM"
    KILL = "SIGKILL"


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """`cause` explains the last transition. `deadline` is when the state is looked at again.
    Not `wanted` and yet restarting: it comes back only for the answers that are owed."""

    state: State = State.STOPPED
    since: float = 0.0
    cause: str = "never started"
    wanted: bool = False
    deadline: float | None = None
    retry_at: float | None = None
    # In a row: with neither service nor a stable time between.
    crashes: int = 0
    ready_since: float | None = None
    told_term: bool = False
    size_bytes: int = 0


def advance(
    machine: Machine, what: Input, now: float, dice: float = 0.0
) -> tuple[Machine, list[Action]]:
    """The machine after `what`, and what is to be done. `dice` in [0, 1) spreads delays."""
    match what:
        case Start() | Want():
            return _start(machine, what, now)
        case Stop():
            return _stop(machine, what, now)
        case Spoke() if machine.state is State.STARTING:
            return _to(machine, State.LOADING, "its first sign of life", now), []
        case Greeted() if machine.state in COMING_UP:
            ready = _to(machine, State.READY, "it has generated a token", now)
            return msgspec.structs.replace(ready, ready_since=now), []
        case DrainDone() if machine.state is State.DRAINING:
            return _tell_to_stop(machine, machine.cause, now)
        case Silent() | Broken() if machine.state in ALIVE - {State.STOPPING, State.STALLED}:
            stalled = _to(machine, State.STALLED, what.detail, now, deadline=now + STALL_TERM_S)
            return stalled, [Action.TERM]
        case Gone() if machine.state in ALIVE:
            return _gone(machine, what, now, dice)
        case Tick():
            return _tick(machine, now)
        case _:
            return machine, []


def _to(
    machine: Machine, state: State, cause: str, now: float, deadline: float | None = None
) -> Machine:
    return msgspec.structs.replace(
        machine, state=state, cause=cause, since=now, deadline=deadline, told_term=False
    )


def _spawn(machine: Machine, cause: str, now: float) -> tuple[Machine, list[Action]]:
    started = _to(machine, State.STARTING, cause, now)
    started = msgspec.structs.replace(started, retry_at=None, ready_since=None)
    return started, [Action.SPAWN]


def _start(machine: Machine, what: Start | Want, now: float) -> tuple[Machine, list[Action]]:
    explicit = isinstance(what, Start)
    if machine.state is State.FAILED and not explicit:
        return machine, []
    machine = msgspec.structs.replace(machine, wanted=True)
    if explicit:
        machine = msgspec.structs.replace(machine, crashes=0, retry_at=None)
    if machine.state is State.FAILED:
        return _spawn(machine, what.cause, now)
    if machine.state is State.STOPPED and (machine.retry_at is None or now >= machine.retry_at):
        return _spawn(machine, what.cause, now)
    return machine, []


def _stop(machine: Machine, what: Stop, now: float) -> tuple[Machine, list[Action]]:
    restarting = machine.retry_at is not None
    if machine.wanted and machine.state in (State.DRAINING, State.STOPPING):
        # It was to come back. From now on this is why it doesn't.
        machine = msgspec.structs.replace(machine, cause=what.cause)
    machine = msgspec.structs.replace(machine, wanted=False, retry_at=None)
    match machine.state:
        case State.STOPPED if restarting:
            return _to(machine, State.STOPPED, what.cause, now), []
        case State.READY if what.drain_s > 0:
            deadline = now + what.drain_s
            return _to(machine, State.DRAINING, what.cause, now, deadline), [Action.SEND_DRAIN]
        case State.STARTING | State.LOADING | State.READY:
            return _tell_to_stop(machine, what.cause, now)
        case State.DRAINING if what.drain_s <= 0:
            return _tell_to_stop(machine, what.cause, now)
        case State.FAILED:
            return _to(machine, State.STOPPED, what.cause, now), []
        case _:
            return machine, []


def _tell_to_stop(machine: Machine, cause: str, now: float) -> tuple[Machine, list[Action]]:
    deadline = now + stop_grace(machine.size_bytes)
    return _to(machine, State.STOPPING, cause, now, deadline), [Action.SEND_STOP]


def _gone(machine: Machine, gone: Gone, now: float, dice: float) -> tuple[Machine, list[Action]]:
    needed = machine.wanted or gone.owed
    if machine.state is State.STOPPING or (machine.state is State.DRAINING and not needed):
        stopped = _to(machine, State.STOPPED, f"{machine.cause}; {gone.detail}", now)
        if machine.wanted:
            return _spawn(stopped, "it was wanted again while it stopped", now)
        return stopped, []
    why = machine.cause if machine.state is State.STALLED else gone.detail
    stable = machine.ready_since is not None and now - machine.ready_since >= STABLE_S
    crashes = 1 if stable or gone.served else machine.crashes + 1
    machine = msgspec.structs.replace(machine, crashes=crashes)
    if gone.lasting or crashes >= CRASHES_UNTIL_FAILED:
        failed = _to(machine, State.FAILED, why, now)
        return msgspec.structs.replace(failed, wanted=False), []
    stopped = _to(machine, State.STOPPED, why, now)
    if not needed:
        return stopped, []
    wait = restart_delay(crashes, dice)
    if wait <= 0:
        return _spawn(stopped, f"restart after: {why}", now)
    return msgspec.structs.replace(stopped, retry_at=now + wait), []


def _tick(machine: Machine, now: float) -> tuple[Machine, list[Action]]:
    if machine.state is State.STOPPED:
        due = machine.retry_at is not None and now >= machine.retry_at
        return _spawn(machine, f"restart after: {machine.cause}", now) if due else (machine, [])
    if machine.deadline is None or now < machine.deadline:
        return machine, []
    match machine.state:
        case State.DRAINING:
            return _tell_to_stop(machine, f"{machine.cause}; its requests took too long", now)
        case State.STOPPING if not machine.told_term:
            late = msgspec.structs.replace(machine, deadline=now + TERM_GRACE_S, told_term=True)
            return late, [Action.TERM]
        case State.STOPPING | State.STALLED:
            again = msgspec.structs.replace(machine, deadline=now + KILL_AGAIN_S)
            return again, [Action.KILL]
        case _:
            return machine, []


def wake_at(machine: Machine) -> float | None:
    """When `Tick` could change something."""
    if machine.state is State.STOPPED:
        return machine.retry_at
    return machine.deadline


def is_fault(before: State, what: Input, after: Machine) -> bool:
    """Something that whoever runs the service may want to know of, though it is being mended."""
    died = isinstance(what, Gone) and before is not State.STOPPING
    return died or after.state in (State.STALLED, State.FAILED)


def restart_delay(crashes: int, dice: float) -> float:
    """Seconds before the restart that follows the crash: 0 after the first, then 1, 2, 4 … 300."""
    if crashes <= 1:
        return 0.0
    step = min(FIRST_DELAY_S * 2.0 ** min(crashes - 2, 60), LONGEST_DELAY_S)
    return min(step * (1 + JITTER * dice), LONGEST_DELAY_S)


def stop_grace(size_bytes: int) -> float:
    return STOP_BASE_S + size_bytes / RELEASED_BYTES_PER_S


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of the requests that were with an engine when it died."""

    again: list[int] = []
    alone: list[int] = []
    poison: list[int] = []


def judge(with_it: Sequence[tuple[int, int]]) -> Verdict:
    """`with_it`: each request and how many engines have died with it, this one included.

    One request alone with two deaths is what killed them. Of several with two deaths nobody knows
    which it was, so each goes on by itself, and the one that kills again is known.
    """
    suspects = [request for request, deaths in with_it if deaths >= DEATHS_UNTIL_POISON]
    again = [request for request, deaths in with_it if deaths < DEATHS_UNTIL_POISON]
    if len(with_it) == 1:
        return Verdict(again=again, poison=suspects)
    return Verdict(again=again, alone=suspects)
