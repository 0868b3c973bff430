"""What an engine may be stopped for, and what never: a request is not cut by it."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxd.catalog import ModelEntry
from mlxd.settings import EngineSettings, ModelSettings, Settings
from mlxd.supervisor import ledger
from mlxd.supervisor.contract import EngineUnavailable
from mlxd.supervisor.ledger import Claim, Plan, Shortage
from mlxd.supervisor.life import Process
from mlxd.supervisor.opening import open_for
from mlxd.supervisor.policy import Gone, Machine, State
from mlxd.supervisor.slot import Slot
from mlxd.supervisor.supervisor import Supervisor

from .harness import (
    PATIENCE_S,
    SHORT,
    engines,
    fake,
    held,
    read,
    release,
    request,
    until,
    write_model,
)

CLAIMS = st.lists(
    st.builds(
        Claim,
        name=st.uuids().map(str),
        size=st.integers(0, 100),
        used_at=st.floats(0, 100),
        movable=st.booleans(),
        leaving=st.booleans(),
    ),
    max_size=6,
)
KV = 1_000_000_000
# Each fake model: its share of the budget is known only by estimate.
EACH = ledger.PROCESS_BYTES + KV + 4


@given(need=st.integers(0, 300), budget=st.integers(0, 300), claims=CLAIMS)
def test_a_plan_makes_room_with_the_least_harm(need: int, budget: int, claims: list[Claim]) -> None:
    found = ledger.plan(need, budget, claims)
    by_name = {one.name: one for one in claims}
    if isinstance(found, Shortage):
        held = sum(one.size for one in claims if not one.movable and not one.leaving)
        assert held + need > budget
        assert found.missing == held + need - budget
        return
    gone = {*found.evict, *found.wait}
    assert sum(one.size for one in claims if one.name not in gone) + need <= budget
    assert all(by_name[name].movable for name in found.evict)
    assert all(by_name[name].leaving for name in found.wait)
    stays = [one for one in claims if one.movable and not one.leaving and one.name not in gone]
    latest = max((by_name[name].used_at for name in found.evict), default=0.0)
    assert all(one.used_at >= latest for one in stays)
    assert found == Plan() or sum(one.size for one in claims) + need > budget


@contextlib.asynccontextmanager
async def several(
    folder: Path, *names: str, room_for: int = 99, **more: object
) -> AsyncIterator[tuple[Supervisor, list[Slot]]]:
    models = [
        ModelSettings(name=str(write_model(folder / name)), **more)  # type: ignore[arg-type]
        for name in names
    ]
    budget = room_for * EACH + EACH // 2
    settings = Settings(
        models=models,
        data_dir=folder / "data",
        engine=EngineSettings(kv_budget=KV, memory_budget=budget),
    )
    found = open_for(settings)
    service = Supervisor(
        settings,
        found.catalogue,
        command=fake("--rate", "200"),
        limits=SHORT,
        assigned=found.assigned,
        held=found.held,
    )
    async with service:
        try:
            yield service, [service.slot(entry) for entry in found.catalogue.configured]
        finally:
            async with asyncio.timeout(PATIENCE_S):
                await service.close()
    assert engines() == []


async def test_only_as_many_as_fit_are_started_and_others_by_their_first_request(
    tmp_path: Path,
) -> None:
    async with several(tmp_path, "a", "b", "c", room_for=2) as (service, (a, b, c)):
        assert service.begin() == [a, b]
        await until(lambda: a.state is b.state is State.READY)
        assert (c.state, c.resting) == (State.STOPPED, True)
        assert await read(b.generate(request("to b"))) == "to b"
        stream = c.generate(request("to c"))
        assert await read(stream) == "to c"
        # a was used least recently.
        assert (a.state, b.state, c.state) == (State.STOPPED, State.READY, State.READY)
        assert "evicted: c needs the memory" in a.machine.cause
        assert await read(a.generate(request("to a"))) == "to a"
        assert b.state is State.STOPPED


async def test_a_working_engine_is_not_evicted_and_the_numbers_are_told(tmp_path: Path) -> None:
    async with several(tmp_path, "a", "b", room_for=1) as (service, (a, b)):
        assert service.begin() == [a]
        (stream,) = await held(a, 1)
        with pytest.raises(
            EngineUnavailable, match=r"b needs about 1.3 GB.*budget is 2.0 GB"
        ) as no:
            b.generate(request("to b"))
        assert no.value.retry_after > 0
        assert len(b.book) == 0
        release(a)
        assert (await read(stream)).endswith("w59 ")
        assert await read(b.generate(request("to b"))) == "to b"
        assert a.state is State.STOPPED


async def test_a_pinned_engine_stays(tmp_path: Path) -> None:
    pinned = {"pin": True, "idle_timeout": 0.01}
    async with several(tmp_path, "a", "b", room_for=1, **pinned) as (service, (a, b)):
        service.begin()
        await until(lambda: a.state is State.READY)
        with pytest.raises(EngineUnavailable):
            b.generate(request("to b"))
        assert a.idle_timeout is None


async def test_twenty_at_once_for_a_model_that_has_to_get_room_first(tmp_path: Path) -> None:
    async with several(tmp_path, "a", "b", room_for=1) as (service, (a, b)):
        service.begin()
        await until(lambda: a.state is State.READY)
        streams = [b.generate(request(f"number {i}")) for i in range(20)]
        texts = await asyncio.gather(*map(read, streams))
        assert list(texts) == [f"number {i}" for i in range(20)]
        assert [one.state for one in b.history].count(State.STARTING) == 1


async def test_the_idle_time_out_never_cuts_a_request(tmp_path: Path) -> None:
    dice = random.Random(5)
    async with several(tmp_path, "a", idle_timeout=0.02) as (service, (a,)):
        service.begin()
        for i in range(40):
            # Around the moment when it is stopped.
            await asyncio.sleep(dice.choice((0.0, 0.019, 0.02, 0.021, 0.022)))
            assert await read(a.generate(request(f"request {i}"))) == f"request {i}"
        await until(lambda: a.state is State.STOPPED)
        stops = [one for one in a.history if one.cause.startswith("idle for 0.02 s")]
        assert stops
        assert a.resting
        assert a.restarts == 0


async def test_what_rests_is_not_woken_by_changes_elsewhere(tmp_path: Path) -> None:
    async with several(tmp_path, "a", "b", idle_timeout=0.05) as (service, (a, b)):
        service.begin()
        await until(lambda: a.resting and b.resting)
        await service.assign("vision", "b")
        assert (a.intended, b.intended) == (False, True)
        await until(lambda: b.state is State.READY or b.resting)


async def test_start_stop_and_restart_by_name(tmp_path: Path) -> None:
    async with several(tmp_path, "a") as (service, (a,)):
        service.begin()
        await until(lambda: a.state is State.READY)
        first = a.pid
        stream = a.generate(request("[[tokens 20]]"))
        assert service.control("a", "restart")["model_id"] == "a"
        assert (await read(stream)).endswith("w19 ")
        await until(lambda: a.state is State.READY and a.pid != first)
        service.control("a", "stop")
        await until(lambda: a.state is State.STOPPED)
        # Its next request starts it.
        assert await read(a.generate(request("hello"))) == "hello"
        service.control("a", "stop")
        await until(lambda: a.state is State.STOPPED)
        service.control("a", "start")
        await until(lambda: a.state is State.READY)


async def test_a_request_that_races_the_stop_for_idleness_thousands_of_times(
    tmp_path: Path,
) -> None:
    """The slot alone, with its inputs in every order that the loop could bring."""
    dice = random.Random(11)
    entry = ModelEntry(id="raced", path=tmp_path)
    for _ in range(4000):
        spawned: list[int] = []

        def refuse(spawned: list[int] = spawned) -> Process:
            spawned.append(1)
            raise OSError("no process in this test")

        slot = Slot(entry, refuse, queue_limit=4, idle_timeout=1.0)
        slot.machine = Machine(state=State.READY, wanted=True, since=0.0)
        slot.intended = True
        # What the clock, the reaper and a client bring, in any order.
        moves = [lambda s=slot: s.rest("idle"), lambda s=slot: s._inbox.put_nowait(Gone("ended"))]
        moves.insert(dice.randint(0, 2), lambda s=slot: s.generate(request("hello")))
        for move in moves:
            move()
            if dice.random() < 0.5:
                await asyncio.sleep(0)
        (queued,) = slot.book._requests.values()
        await asyncio.sleep(0)
        slot._task.cancel()
        await asyncio.gather(slot._task, return_exceptions=True)
        assert not queued.ended or spawned  # type: ignore[attr-defined]


async def test_a_request_that_comes_while_its_engine_is_evicted_waits_for_room(
    tmp_path: Path,
) -> None:
    async with several(tmp_path, "a", "b", "c", room_for=2) as (service, (a, b, c)):
        service.begin()
        await until(lambda: a.state is b.state is State.READY)
        assert await read(b.generate(request("to b"))) == "to b"
        first = c.generate(request("to c"))
        # It ends within less than any pause.
        while a.state is not State.STOPPING:  # noqa: ASYNC110
            await asyncio.sleep(0)
        second = a.generate(request("to a"))
        assert await read(second) == "to a"
        assert await read(first) == "to c"
        assert b.state is State.STOPPED
