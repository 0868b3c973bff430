"""Who goes next, as properties of the choice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxd.engine.job import Job
from mlxd.engine.scheduler import (
    AGEING_SECONDS,
    ChunkSizer,
    Room,
    expected_tokens,
    group,
    next_to_admit,
    next_to_prefill,
)
from mlxd.wire import Priority, Submit, Tokens


def job(
    number: int, arrived: float = 0.0, *, length: int = 10, budget: int = 10, batch: bool = False
) -> Job:
    priority = Priority.BATCH if batch else Priority.INTERACTIVE
    made = Job(Submit(number, Tokens([1] * length), max_tokens=budget, priority=priority))
    made.arrived, made.prompt, made.budget = arrived, [1] * length, budget
    return made


jobs = st.builds(
    job,
    st.integers(1, 99),
    st.floats(0, 100),
    length=st.integers(1, 500),
    budget=st.integers(1, 500),
    batch=st.booleans(),
)


@given(st.lists(jobs, max_size=8), st.integers(0, 4), st.integers(0, 1500))
def test_nothing_is_admitted_that_does_not_fit(waiting: list[Job], slots: int, free: int) -> None:
    chosen = next_to_admit(waiting, Room(slots, free, 4))
    if chosen is not None:
        assert slots > 0
        assert expected_tokens(chosen) <= free


@given(st.lists(jobs, min_size=1, max_size=8))
def test_with_room_someone_is_admitted(waiting: list[Job]) -> None:
    assert next_to_admit(waiting, Room(4, 10**6, 4)) is not None


def test_interactive_goes_before_batch_until_batch_has_waited() -> None:
    old, new = job(1, 0.0, batch=True), job(2, AGEING_SECONDS - 1)
    late = job(3, AGEING_SECONDS + 1)
    room = Room(4, 10**6, 4)
    assert next_to_admit([old, new], room) is new
    assert next_to_admit([old, late], room) is old


def test_a_large_request_is_not_kept_out_by_small_ones_behind_it() -> None:
    large, small = job(1, 0.0, length=900), job(2, 1.0, length=10)
    assert next_to_admit([large, small], Room(4, 500, 4)) is None


def test_the_last_slot_is_kept_for_chat() -> None:
    assert next_to_admit([job(1, batch=True)], Room(1, 10**6, 4)) is None
    assert next_to_admit([job(1)], Room(1, 10**6, 4)) is not None
    assert next_to_admit([job(1, batch=True)], Room(1, 10**6, 1)) is not None


def test_a_short_prompt_overtakes_a_long_one_but_not_for_ever() -> None:
    long, short = job(1, 0.0), job(2, 1.0)
    assert next_to_prefill([(long, 4000), (short, 20)], now=1.5) == 1
    assert next_to_prefill([(long, 4000), (short, 20)], now=10.5) == 0


@given(st.lists(st.tuples(jobs, st.integers(0, 300)), min_size=1, max_size=8), st.integers(1, 400))
def test_a_group_stays_within_its_chunk(queue: list[tuple[Job, int]], most: int) -> None:
    first = next_to_prefill(queue, now=0.0)
    chosen = group(queue, first, most)
    assert chosen[0] == first
    assert len(set(chosen)) == len(chosen)
    if len(chosen) > 1:
        widths = [queue[i][1] for i in chosen]
        assert max(widths) * len(widths) <= most
        assert sum(widths) * 2 >= max(widths) * len(widths)


def settled(sizer: ChunkSizer, seconds_per_token: float, *, running: bool) -> int:
    for _ in range(12):
        size = sizer.size(running)
        sizer.saw_chunk(size, 0.005 + seconds_per_token * size, running)
    return sizer.size(running)


def test_the_chunk_size_follows_what_a_token_costs() -> None:
    sizer = ChunkSizer()
    sizer.saw_decode(0.050)
    assert settled(sizer, 0.001, running=False) == pytest.approx(490, abs=16)  # half a second
    assert settled(sizer, 0.001, running=True) == pytest.approx(62, abs=10)  # 1.4 steps
    assert settled(sizer, 0.004, running=True) == pytest.approx(16, abs=4)  # far into a prompt
    assert settled(sizer, 0.001, running=True) == pytest.approx(62, abs=10)  # and back


def test_a_pause_longer_than_the_streams_can_bear_is_paid_back() -> None:
    sizer = ChunkSizer()
    sizer.saw_decode(0.010)
    sizer.saw_chunk(64, 0.050, running=True)
    steps = 0
    while not sizer.paid:
        sizer.saw_decode(0.010)
        steps += 1
    assert steps == 3  # 50 ms are 1.4 times the four steps around them


@given(st.lists(st.tuples(st.integers(1, 2048), st.floats(1e-6, 100)), max_size=20))
def test_the_chunk_size_stays_within_its_bounds(seen: list[tuple[int, float]]) -> None:
    sizer = ChunkSizer()
    for tokens, seconds in seen:
        sizer.saw_chunk(tokens, seconds)
        sizer.saw_decode(seconds)
    for running in (True, False):
        assert sizer.least <= sizer.size(running) <= sizer.most


def test_background_prompts_go_in_small_portions_while_somebody_chats() -> None:
    sizer = ChunkSizer()
    for _ in range(12):
        sizer.saw_chunk(256, 0.100)  # 2,560 tokens a second
    assert sizer.background(courteous=True) == pytest.approx(30, abs=8)  # 12 ms
    assert sizer.background(courteous=False) == pytest.approx(256, abs=16)  # 100 ms
    for _ in range(30):
        sizer.saw_decode(0.050)
    assert sizer.background(courteous=True) == pytest.approx(256, abs=16)  # two steps
