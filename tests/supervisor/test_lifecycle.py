"""Signals and faults in every state: one outcome, one process, nothing left."""

import asyncio
import itertools
import signal
import time
from pathlib import Path

import psutil
import pytest
from tests.processes import PATIENCE_S, runs

from mlxd import wire
from mlxd.settings import EngineSettings, ModelSettings, Settings
from mlxd.supervisor import policy
from mlxd.supervisor.contract import EngineUnavailable
from mlxd.supervisor.launch import engine_arguments, launch
from mlxd.supervisor.opening import open_for
from mlxd.supervisor.policy import State
from mlxd.supervisor.pulse import Limits
from mlxd.supervisor.supervisor import Supervisor

from .harness import (
    SHORT,
    engines,
    fake,
    hurt,
    read,
    request,
    supervised,
    until,
    words,
    write_model,
)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
async def test_an_engine_lost_while_stopping_is_gone(tmp_path: Path, number: int) -> None:
    async with supervised(tmp_path, "--ignore-stop") as (_, slot):
        slot.want("test")
        await until(lambda: slot.state is State.READY)
        slot.stop("test")
        await until(lambda: slot.state is State.STOPPING)
        hurt(slot, number)
        await until(lambda: slot.state is State.STOPPED)
        assert engines() == []


async def test_an_engine_that_hears_nothing_is_killed(tmp_path: Path) -> None:
    switches = ["--ignore-stop", "--ignore-sigterm", "--ignore-drain"]
    async with supervised(tmp_path, *switches, drain_s=0.2) as (_, slot):
        slot.want("test")
        await until(lambda: slot.state is State.READY)


async def test_a_model_that_cannot_load_says_why(tmp_path: Path) -> None:
    async with supervised(tmp_path, "--fail-load") as (_, slot):
        with pytest.raises(EngineUnavailable, match="has no weights"):
            await read(slot.generate(request("hello")))


@pytest.mark.parametrize("fits", [True, False])
async def test_an_engine_that_was_started_early_is_taken_over_or_ended(
    tmp_path: Path, fits: bool
) -> None:
    model = write_model(tmp_path / "fake")
    settings = Settings(
        models=[ModelSettings(name=str(model))],
        data_dir=tmp_path / "data",
        engine=EngineSettings(memory_budget=None if fits else 1000),
    )
    opening = open_for(settings)
    (entry,) = opening.catalogue.configured
    early = launch(engine_arguments(entry, settings), tmp_path / "log", command=fake())
    process = psutil.Process(early.pid)
    service = Supervisor(
        settings,
        opening.catalogue,
        command=("/nonexistent/engine",),
        launched={entry.id: early},
        limits=SHORT,
        assigned=opening.assigned,
    )
    async with service:
        slots = service.begin()
        assert [slot.entry.id for slot in slots] == ["fake"] * fits
        if fits:
            assert await slots[0].until((State.READY, State.FAILED)) is State.READY
            assert (slots[0].pid, slots[0].restarts) == (early.pid, 0)
        else:
            await until(lambda: not runs(process))
    assert engines() == []


async def test_a_command_that_does_not_exist_is_a_failure_not_a_hang(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (service, slot):
        service._command = ("/nonexistent/engine",)
        with pytest.raises(EngineUnavailable, match="can't be started"):
            await read(slot.generate(request("hello")))


async def test_an_engine_without_a_heartbeat_while_loading_is_replaced(tmp_path: Path) -> None:
    limits = Limits(starting=1.0, loading=0.5, warming=0.5, idle=1.0, step_floor=1.0)
    async with supervised(tmp_path, "--mute", limits=limits) as (_, slot):
        with pytest.raises(EngineUnavailable, match="no sign of life"):
            await read(slot.generate(request("hello")))


async def test_an_engine_that_loads_for_long_but_lives_is_left_alone(tmp_path: Path) -> None:
    async with supervised(tmp_path, "--never-ready", limits=SHORT) as (_, slot):
        slot.want("test")
        await until(lambda: slot.state is State.LOADING)
        # Longer than one that says nothing is left to.
        longer = slot.machine.since + 1.25 * SHORT.loading
        await until(lambda: time.monotonic() > longer)
        assert slot.restarts == 0
        slot.stop("test")
        await until(lambda: slot.state is State.STOPPED)


async def test_stop_during_load_answers_those_who_wait(tmp_path: Path) -> None:
    async with supervised(tmp_path, "--never-ready") as (_, slot):
        stream = slot.generate(request("hello"))
        await until(lambda: slot.state is State.LOADING)
        slot.stop("asked to stop")
        with pytest.raises(EngineUnavailable, match="asked to stop"):
            await read(stream)
        await until(lambda: slot.state is State.STOPPED)
        assert engines() == []


async def test_stop_between_restarts_answers_those_who_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "FIRST_DELAY_S", 600.0)
    async with supervised(tmp_path, "--die-loading") as (_, slot):
        stream = slot.generate(request("hello"))
        await until(lambda: slot.machine.retry_at is not None)
        assert stream.state.startswith("restarting in")
        slot.stop("asked to stop")
        with pytest.raises(EngineUnavailable):
            await read(stream)


async def test_a_fault_of_our_own_ends_the_requests_and_not_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with supervised(tmp_path) as (_, slot):
        await read(slot.generate(request("hello")))
        with monkeypatch.context() as broken:
            broken.setattr(slot.words, "died", lambda seen: 1 / 0)
            stream = slot.generate(request("[[tokens 20]] [[die 5]]"))
            with pytest.raises(EngineUnavailable, match="failed"):
                await read(stream)
        assert slot.state is State.FAILED
        slot.start("test")
        await until(lambda: slot.state is State.READY)
        await read(slot.generate(request("hello")))


async def test_a_fault_in_what_is_heard_costs_an_engine_and_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with supervised(tmp_path) as (_, slot):
        take, calls = slot.book.take, itertools.count(1)

        def broken(event: wire.Event) -> bool:
            return bool(1 / 0) if next(calls) == 7 else take(event)

        monkeypatch.setattr(slot.book, "take", broken)
        assert await read(slot.generate(request("[[tokens 20]]"))) == words(20)
        assert slot.restarts == 1
        told = "what it sent could not be handled (ZeroDivisionError('division by zero'))"
        assert told in [one.cause for one in slot.history]


async def test_a_fault_in_looking_at_the_clock_does_not_end_the_slot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with supervised(tmp_path) as (_, slot):
        assert await read(slot.generate(request("hello"))) == "hello"
        looked = asyncio.Event()

        def broken(due: float | None) -> policy.Input:
            looked.set()
            raise ZeroDivisionError

        with monkeypatch.context() as patched:
            patched.setattr(slot, "_look", broken)
            await asyncio.wait_for(looked.wait(), PATIENCE_S)
        assert await read(slot.generate(request("and now?"))) == "and now?"
        assert slot.restarts == 0


async def test_wanted_and_not_wanted_a_hundred_times(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (_, slot):
        for i in range(100):
            if i % 2:
                slot.stop("toggled off")
            else:
                slot.want("toggled on")
            if i % 10 == 0:
                await asyncio.sleep(0.02)
            assert len(engines()) <= 1
        slot.want("at last")
        await until(lambda: slot.state is State.READY)
        assert len(engines()) == 1


async def test_metrics_and_status_show_what_happened(tmp_path: Path) -> None:
    async with supervised(tmp_path, "--rate", "100") as (service, slot):
        assert await read(slot.generate(request("[[tokens 10]]"))) == words(10)
        body, kind = service.metrics()
        assert kind.startswith("text/plain")
        lines = body.decode().splitlines()
        assert 'mlxd_tokens_out_total{model="fake"} 10.0' in lines
        assert 'mlxd_engine_state{model="fake",state="ready"} 1.0' in lines
        assert 'mlxd_time_to_first_token_seconds_count{model="fake"} 1.0' in lines
        engine = service.status()["engines"]["fake"]
        assert engine["state"] == "ready"
        assert [one["state"] for one in engine["history"]] == ["starting", "ready"]
