"""Retry-After is what the queue really does, not a guess."""

import asyncio
from pathlib import Path

import pytest

from mlxd.supervisor.contract import Overloaded
from mlxd.supervisor.policy import State
from mlxd.supervisor.requests import Pace

from .harness import held, read, release, request, supervised


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_time_with_nothing_to_do_is_not_the_queues_pace() -> None:
    clock = Clock()
    pace = Pace(clock)
    for _ in range(10):
        pace.began()
        clock.now += 2.0
        pace.completed()
        clock.now += 3600.0
    pace.began()
    assert pace.refused() == pytest.approx(2.0)
    # Those who were refused before stand in front.
    assert pace.refused() == pytest.approx(4.0)


def test_a_queue_that_slows_down_is_believed_at_once() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.began()
    for _ in range(8):
        clock.now += 1.0
        pace.completed()
    clock.now += 91.0
    assert pace.refused() == pytest.approx(11.0)


def test_a_queue_that_never_moved_says_how_long_it_has_not() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.began()
    assert pace.refused() == Pace.UNKNOWN_S
    clock.now += 60.0
    assert pace.refused() == pytest.approx(120.0)


async def test_who_waits_as_long_as_told_finds_room(tmp_path: Path) -> None:
    """Answers of three seconds each, by a clock of their own: how fast a machine is, is no matter
    of what is told."""
    async with supervised(tmp_path, queue_limit=2) as (_, slot):
        slot.want("the test")
        await slot.until((State.READY,))
        clock = Clock()
        slot.book._pace = Pace(clock)
        for _ in range(3):
            streams = await held(slot, 2)
            clock.now += 3.0
            release(slot)
            await asyncio.gather(*map(read, streams))
            clock.now += 3600.0
        streams = await held(slot, 2)
        with pytest.raises(Overloaded) as refused:
            slot.generate(request("one more"))
        # Side by side, so that there is a place every second and a half.
        assert refused.value.retry_after == pytest.approx(1.5)
        readers = [asyncio.create_task(read(one)) for one in streams]
        clock.now += 3.0
        release(slot)
        await asyncio.wait(readers, return_when=asyncio.FIRST_COMPLETED)
        assert await read(slot.generate(request("one more"))) == "one more"
        await asyncio.gather(*readers)
