from itertools import pairwise

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mlxd.supervisor import policy
from mlxd.supervisor.policy import Action, Machine, State, advance


class World(RuleBasedStateMachine):
    """A machine, the one process that it may have, and everything that can befall them."""

    @initialize(size=st.integers(0, 10**12))
    def begin(self, size: int) -> None:
        self.machine = Machine(size_bytes=size)
        self.now = 0.0
        self.process = False
        self.told: list[Action] = []

    def put(self, what: policy.Input, dice: float = 0.0) -> None:
        before = self.machine
        self.machine, actions = advance(before, what, self.now, dice)
        if self.machine.state is not before.state:
            assert self.machine.cause
            assert self.machine.since == self.now
        for action in actions:
            if action is Action.SPAWN:
                assert not self.process, "two processes in one slot"
                self.process = True
                self.told = []
            else:
                assert self.process, f"{action} to nobody"
                self.told.append(action)

    @rule()
    def want(self) -> None:
        failed = self.machine.state is State.FAILED
        self.put(policy.Want("wanted"))
        assert not failed or self.machine.state is State.FAILED

    @rule()
    def start(self) -> None:
        self.put(policy.Start("asked for"))
        assert self.machine.state is not State.FAILED
        assert self.process or self.machine.retry_at is not None

    @rule(drain=st.sampled_from([0.0, 5.0]))
    def stop(self, drain: float) -> None:
        self.put(policy.Stop("not needed", drain))
        assert not self.machine.wanted
        assert self.machine.state not in (State.STARTING, State.LOADING, State.READY)

    @precondition(lambda self: self.process)
    @rule()
    def spoke(self) -> None:
        self.put(policy.Spoke())

    @precondition(lambda self: self.process)
    @rule()
    def greeted(self) -> None:
        self.put(policy.Greeted())

    @precondition(lambda self: self.process)
    @rule()
    def drained(self) -> None:
        self.put(policy.DrainDone())

    @precondition(lambda self: self.process)
    @rule(broken=st.booleans())
    def wedged(self, broken: bool) -> None:
        self.put(policy.Broken("nonsense") if broken else policy.Silent("silent"))

    @precondition(lambda self: self.process)
    @rule(served=st.booleans(), lasting=st.booleans(), owed=st.booleans(), dice=st.floats(0, 0.99))
    def dies(self, served: bool, lasting: bool, owed: bool, dice: float) -> None:
        self.process = False
        self.put(policy.Gone("died", served, lasting, owed), dice)

    @rule(seconds=st.floats(0.1, 1000))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.put(policy.Tick())

    @invariant()
    def a_process_exactly_while_alive(self) -> None:
        assert self.process == (self.machine.state in policy.ALIVE)

    @invariant()
    def nothing_waits_for_ever(self) -> None:
        """What must end has a deadline; what is wanted is up, coming, due or failed."""
        machine = self.machine
        if machine.state in (State.DRAINING, State.STOPPING, State.STALLED):
            assert policy.wake_at(machine) is not None
        if machine.state is State.STOPPED and machine.wanted:
            assert machine.retry_at is not None

    def teardown(self) -> None:
        """Whatever happened: told to stop, and with a process that ignores all but SIGKILL, it
        ends."""
        if not hasattr(self, "machine"):
            return
        self.put(policy.Stop("the end"))
        for _ in range(10):
            if not self.process:
                break
            self.now = max(self.now, policy.wake_at(self.machine) or self.now)
            self.put(policy.Tick())
            if Action.KILL in self.told:
                self.dies(served=False, lasting=False, owed=False, dice=0)
        assert self.machine.state in (State.STOPPED, State.FAILED)
        assert policy.wake_at(self.machine) is None


TestWorld = World.TestCase


def test_delays_grow_strictly_whatever_the_dice() -> None:
    for first, second in ((0.0, 0.0), (0.999, 0.0), (0.0, 0.999)):
        delays = [policy.restart_delay(n, first if n % 2 else second) for n in range(1, 12)]
        grown = [d for d in delays if d < policy.LONGEST_DELAY_S]
        assert grown[0] == 0
        assert all(a < b for a, b in pairwise(grown))
        assert max(delays) <= policy.LONGEST_DELAY_S


@pytest.mark.parametrize(("ready_for", "served"), [(policy.STABLE_S + 1, False), (1.0, True)])
def test_an_engine_that_was_of_use_is_restarted_at_once(ready_for: float, served: bool) -> None:
    machine = Machine(wanted=True, state=State.READY, crashes=3, ready_since=0.0)
    machine, actions = advance(machine, policy.Gone("died", served=served), ready_for)
    assert actions == [Action.SPAWN]
    assert machine.crashes == 1


def test_an_engine_of_no_use_waits_longer_each_time_and_then_fails() -> None:
    machine, _ = advance(Machine(), policy.Want("test"), 0.0)
    waits: list[float] = []
    now = 0.0
    while machine.state is not State.FAILED:
        machine, actions = advance(machine, policy.Gone("died"), now, dice=0.5)
        if machine.retry_at is not None:
            waits.append(machine.retry_at - now)
            now = machine.retry_at
            machine, actions = advance(machine, policy.Tick(), now)
        assert machine.state is State.FAILED or actions == [Action.SPAWN]
    first = policy.FIRST_DELAY_S * 1.25
    assert waits == pytest.approx([first, 2 * first, 4 * first])
    assert machine.crashes == policy.CRASHES_UNTIL_FAILED


def test_big_models_are_given_time_to_release() -> None:
    assert policy.stop_grace(400 * 10**9) > 100
    assert policy.stop_grace(0) >= 0.5


def test_the_last_suspect_is_named() -> None:
    assert policy.judge([(1, 1), (2, 1)]).again == [1, 2]
    assert policy.judge([(1, 2)]).poison == [1]
    both = policy.judge([(1, 2), (2, 2), (3, 1)])
    assert both.alone == [1, 2]
    assert both.again == [3]


def test_what_keeps_it_from_coming_back_is_named() -> None:
    """Stopped to be started anew, and then not wanted any more: that is why it is gone."""
    machine = Machine(state=State.READY, wanted=True)
    for what in (policy.Stop("its settings changed", 5.0), policy.Start("its settings changed")):
        machine, _ = advance(machine, what, 1.0)
    machine, _ = advance(machine, policy.Stop("stop was asked for", 5.0), 2.0)
    machine, _ = advance(machine, policy.DrainDone(), 3.0)
    machine, _ = advance(machine, policy.Gone("its process ended by itself"), 4.0)
    assert (machine.state, machine.wanted) == (State.STOPPED, False)
    assert machine.cause == "stop was asked for; its process ended by itself"
