"""The wall clock may jump as it likes: nothing in the life of an engine is decided by it."""

import random
import signal
import time
from pathlib import Path

import pytest

from mlxd.supervisor.policy import State

from .harness import (
    PATIENCE_S,
    engines,
    held,
    hurt,
    read,
    release,
    request,
    supervised,
    until,
    words,
)

YEARS = 10 * 365 * 86400.0


@pytest.fixture
def _mad_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at it gives another year, in either direction."""
    dice = random.Random(3)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + dice.uniform(-YEARS, YEARS))


@pytest.mark.usefixtures("_mad_clock")
async def test_engines_live_die_stall_and_rest_by_the_other_clock(tmp_path: Path) -> None:
    async with supervised(tmp_path, "--rate", "100") as (service, slot):
        slot.want("the test")
        await slot.until((State.READY,))
        (stream,) = await held(slot, 1)
        hurt(slot, signal.SIGKILL)
        release(slot)
        assert await read(stream) == words(60)
        assert slot.restarts == 1
        # Quiet for longer than an idle engine may be silent: beats count, dates do not.
        seen = slot.progress
        await until(lambda: slot.progress is not seen)
        assert (slot.state, slot.restarts) == (State.READY, 1)
        hurt(slot, signal.SIGSTOP)
        await until(lambda: slot.restarts == 2)
        assert await read(slot.generate(request("still here"))) == "still here"
        assert 0 <= service.status()["engines"]["fake"]["seconds"] < 2 * PATIENCE_S
        slot.configure(slot.entry, slot._spawn, 0.2, False)
        await until(lambda: slot.at_rest)
    assert engines() == []
