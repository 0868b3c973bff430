"""The table of states and events in the docs says what the policy does."""

import re
from pathlib import Path

import pytest

from mlxd.supervisor import policy
from mlxd.supervisor.policy import Machine, State

PAGE = Path(__file__).parents[2] / "docs" / "how" / "supervisor.md"
NOW = 1000.0
EVENTS = {
    "want": policy.Want("x"),
    "start (by name)": policy.Start("x"),
    "stop, drain": policy.Stop("x", 5.0),
    "stop at once": policy.Stop("x"),
    "first frame": policy.Spoke(),
    "hello": policy.Greeted(),
    "all done": policy.DrainDone(),
    "silent": policy.Silent("x"),
    "broken channel": policy.Broken("x"),
    "process gone": policy.Gone("x"),
    "its time is up": policy.Tick(),
}
# States whose end has a time; in the others nothing is due.
TIMED = {State.DRAINING, State.STOPPING, State.STALLED}


def rows() -> list[tuple[State, str, str]]:
    text = PAGE.read_text().partition("checked by tests/supervisor/test_table.py")[2]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    head, body = cells[0], cells[2 : 2 + len(State)]
    assert head[1:] == list(EVENTS)
    return [
        (State(row[0]), event, cell)
        for row in body
        for event, cell in zip(head[1:], row[1:], strict=True)
    ]


def test_every_state_is_in_it() -> None:
    assert {state for state, _, _ in rows()} == set(State)


@pytest.mark.parametrize(("state", "event", "told"), rows())
def test_it_says_what_happens(state: State, event: str, told: str) -> None:
    deadline = NOW - 1 if state in TIMED else None
    machine = Machine(state=state, since=0.0, deadline=deadline)
    after, actions = policy.advance(machine, EVENTS[event], NOW)
    done = ", ".join(actions)
    if after.state is not state:
        made = f"→ {after.state}" + (f": {done}" if done else "")
    else:
        made = f"· {done}".rstrip()
    assert made == re.sub(r"\s+", " ", told)
