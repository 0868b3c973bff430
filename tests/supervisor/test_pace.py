"""Retry-After is what the queue really does, not a guess."""

import asyncio
import math
import time
from pathlib import Path

import pytest

from mlxd.supervisor.contract import Overloaded
from mlxd.supervisor.policy import State
from mlxd.supervisor.requests import Pace

from .harness import read, request, supervised


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
    """Twenty tokens at twenty steps a second, one after the other by the limit of two."""
    async with supervised(tmp_path, "--rate", "20", queue_limit=2) as (_, slot):
        slot.want("the test")
        await slot.until((State.READY,))
        slowest = 1.0  # second, on a machine that has the time
        for _ in range(3):
            began = time.monotonic()
            tasks = [
                asyncio.create_task(read(slot.generate(request("[[tokens 20]]")))) for _ in "12"
            ]
            await asyncio.gather(*tasks)
            slowest = max(slowest, time.monotonic() - began)
        streams = [slot.generate(request("[[tokens 20]]")) for _ in "12"]
        readers = [asyncio.create_task(read(one)) for one in streams]
        with pytest.raises(Overloaded) as refused:
            slot.generate(request("one more"))
        told = refused.value.retry_after
        # Two answers of a second each, side by side: half a second a place, and 1 at least.
        assert 1.0 <= told <= 2 * slowest
        started = time.monotonic()
        await asyncio.wait(readers, return_when=asyncio.FIRST_COMPLETED)
        assert time.monotonic() - started <= math.ceil(told) + 2 * slowest
        assert await read(slot.generate(request("one more"))) == "one more"
        await asyncio.gather(*readers)
