"""Everything at once: a minute in the ordinary tests, longer with --soak or --soak-seconds."""

import asyncio
import secrets
from pathlib import Path

import pytest

from .schedule import schedule
from .soak import report, soak

SECONDS = 60.0
# The minute is the same one for everybody, so that what fails in it can be told from what changed;
# the long run draws its own.
SEED = 302375
LONG_SECONDS = 600.0
# Of the gateway's log, to go with what went wrong.
LOG_CHARACTERS = 20_000
# Beside what the schedule lasts: what is learnt before it, and what has to come to rest after it.
BESIDE_SECONDS = 240.0


def test_a_seed_brings_its_schedule_back() -> None:
    assert schedule(7, 60) == schedule(7, 60)
    assert schedule(7, 60) != schedule(8, 60)
    acts = schedule(7, 60)
    assert {act.what for act in acts} == {
        "ask", "signal", "control", "assign", "reload", "gateway"
    }  # fmt: skip


def _seconds(config: pytest.Config) -> float:
    chosen = config.getoption("--soak-seconds")
    return float(chosen or (LONG_SECONDS if config.getoption("--soak") else SECONDS))


# Its own limit follows from its length.
@pytest.mark.timeout(0)
def test_soak(
    tmp_path: Path, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = _seconds(pytestconfig)
    seed = pytestconfig.getoption("--soak-seed")
    if seed is None:
        seed = secrets.randbelow(10**6) if seconds > SECONDS else SEED

    async def within() -> str:
        async with asyncio.timeout(seconds + BESIDE_SECONDS):
            run = await soak(tmp_path, seed, seconds)
        told = report(run, seed, seconds)
        assert not run.faults, f"{told}\n{run.here.log.read_text()[-LOG_CHARACTERS:]}"
        return told

    with capsys.disabled():
        print(f"\nsoak: seed {seed}, {seconds:g} s", flush=True)
    print(asyncio.run(within()))
