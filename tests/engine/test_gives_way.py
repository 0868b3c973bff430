"""Background work gives way to a chat that comes, and still goes on.

The step thread's own loop on a real model, in this process: a chat can come at a known moment.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlxd.engine import backends
from mlxd.engine.job import Job
from mlxd.engine.sampling import RowSampling
from mlxd.engine.step import Limits, Signal, Stepper
from mlxd.engine.writer import Reason, Top
from mlxd.wire import Failed, Priority, Submit, Tokens

LIMITS = Limits(rows=8, kv_bytes=1 << 30, prefix_bytes=0)
BACKGROUND = 3
LONG = 400
# So many that the background goes on among them however slow the machine is.
MOST_CHATS = 20_000


class Teller:
    """Notes whose token came; `then` is called after each."""

    def __init__(self) -> None:
        self.order: list[int] = []
        self.then: Callable[[Job], None] = lambda job: None

    def token(
        self, job: Job, token: int, logprob: float | None, top: Top, reason: Reason | None
    ) -> None:
        self.order.append(job.id)
        self.then(job)

    def flush(self) -> None: ...

    def failed(self, job: Job, failed: Failed) -> None:
        raise AssertionError(failed)


def job(number: int, tokens: int, priority: Priority = Priority.INTERACTIVE) -> Job:
    made = Job(Submit(number, Tokens([0]), priority=priority), sampling=RowSampling())
    made.prompt, made.budget = [number % 50 + place for place in range(9)], tokens
    return made


@pytest.fixture
def stepper(text_model: Path) -> Stepper:
    made = Stepper(
        backends.load(text_model, "auto", lambda *_: None), Teller(), LIMITS, lambda _: None
    )
    made.warm_up()
    return made


def test_a_chat_that_comes_waits_for_one_step_of_the_background(stepper: Stepper) -> None:
    """While somebody chats, no second one is launched before the first is over."""
    teller = stepper.writer
    assert isinstance(teller, Teller)
    order = teller.order
    came: list[int] = []

    def then(one: Job) -> None:
        if one.id == 1:
            for number in range(BACKGROUND):
                stepper.inbox.put(job(10 + number, LONG, Priority.BATCH))
        elif one.id == 2:
            stepper.inbox.put(Signal.STOP)
        elif not came and min(order.count(10 + number) for number in range(BACKGROUND)) == 5:
            came.append(len(order))
            stepper.inbox.put(job(2, 1))

    teller.then = then
    stepper.inbox.put(job(1, 1))
    stepper.run()
    assert order[came[0] :] == [2]


def test_chats_without_end_do_not_hold_it_up(stepper: Stepper) -> None:
    """One comes with every token, so that there is always somebody who waits to be let in."""
    teller = stepper.writer
    assert isinstance(teller, Teller)
    order = teller.order
    chats = iter(range(100, 100 + MOST_CHATS))

    def then(one: Job) -> None:
        if one.id == 1:
            stepper.inbox.put(job(10, LONG, Priority.BATCH))
        if order.count(10) >= 5 or not (number := next(chats, 0)):
            stepper.inbox.put(Signal.STOP)
        else:
            stepper.inbox.put(job(number, 1))

    teller.then = then
    stepper.inbox.put(job(1, 1))
    stepper.run()
    assert order.count(10) >= 5
