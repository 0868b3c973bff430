"""Which request for vectors goes first."""

from mlxd.engine.embedding import _Task
from mlxd.wire import Embed, Priority, Text


def task(inputs: int, arrived: float, priority: Priority = Priority.INTERACTIVE) -> _Task:
    return _Task(Embed(1, [Text("a")] * inputs, priority), arrived=arrived)


def test_a_question_goes_before_the_passages_that_came_first_but_not_for_ever() -> None:
    passages = task(1000, arrived=0.0)
    assert task(1, arrived=40.0).urgency < passages.urgency < task(1, arrived=60.0).urgency
    passages.vectors = dict.fromkeys(range(900), b"")
    assert passages.urgency < task(1, arrived=10.0).urgency


def test_background_goes_after_what_people_wait_for_until_it_has_waited_long() -> None:
    background = task(1, arrived=0.0, priority=Priority.BATCH)
    assert task(1, arrived=20.0).urgency < background.urgency < task(1, arrived=40.0).urgency
