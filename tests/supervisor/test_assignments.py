"""Assignments decide what serves a capability and what runs, and are written down or not made."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxd.catalog import Catalogue
from mlxd.settings import ModelSettings, Settings
from mlxd.supervisor import assignments, needs, store
from mlxd.supervisor.contract import NotCapable, NotKept, Unassigned, UnknownCapability
from mlxd.supervisor.opening import open_for
from mlxd.supervisor.policy import State
from mlxd.supervisor.store import Assigned, Store
from mlxd.supervisor.supervisor import Supervisor

from .harness import PATIENCE_S, engines, read, request, supervised, until, write_model
from .test_room import several

MODELS = st.sampled_from(["a", "b", "c", "d"])
SETS = st.frozensets(MODELS)
ASSIGNED = st.dictionaries(st.sampled_from(["text", "vision", "code"]), st.none() | MODELS)


@given(running=SETS, assigned=ASSIGNED, held=SETS, resting=SETS)
def test_what_is_needed_runs_and_nothing_else_is_touched(
    running: frozenset[str],
    assigned: dict[str, str | None],
    held: frozenset[str],
    resting: frozenset[str],
) -> None:
    orders = needs.decide(running, assigned, held, resting)
    needed = {one for one in assigned.values() if one} | held
    assert set(orders.start) == needed - running - resting
    assert set(orders.stop) == running - needed
    assert len(set(orders.start)) == len(orders.start)
    after = (running | set(orders.start)) - set(orders.stop)
    assert needs.decide(after, assigned, held, resting) == needs.Orders()


@pytest.mark.parametrize(
    ("decided", "able", "unable"),
    [
        (["text", "code"], ["text", "code"], ["vision", "embedding"]),
        (["code"], ["text", "code", "vision"], ["reasoning"]),
        (None, ["text", "vision", "embedding"], ["code"]),
    ],
)
async def test_what_settings_let_a_model_be_asked_for_holds_once_it_runs(
    tmp_path: Path, decided: list[str] | None, able: list[str], unable: list[str]
) -> None:
    """Though it turns out to be able to do more."""
    async with several(tmp_path, "a", capabilities=decided) as (service, (slot,)):
        service.begin()
        await until(lambda: slot.state is State.READY)
        for capability in able:
            assert service.resolve("a", needs=capability).id == "a"
            assert service.assigned(capability)["model_id"] == "a"
        for capability in unable:
            with pytest.raises(NotCapable):
                service.resolve("a", needs=capability)
            assert service.assigned(capability)["model_id"] is None


async def test_a_cleared_model_stops_and_an_assigned_one_starts(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (service, slot):
        assert service.begin() == [slot]
        await until(lambda: slot.state is State.READY)
        capabilities = [c for c, m in service._assignments.current.items() if m]
        assert sorted(capabilities) == ["structured_output", "text", "tool_use", "vision"]
        for i, capability in enumerate(capabilities):
            assert (await service.assign(capability, None))["model_id"] is None
            assert slot.intended is (i < len(capabilities) - 1)
        with pytest.raises(Unassigned, match="models assign text"):
            service.resolve("text", needs="text")
        await until(lambda: slot.state is State.STOPPED)
        assert engines() == []
        await service.assign("vision", "fake")
        await until(lambda: slot.state is State.READY)
        assert service.resolve("vision", needs="text").id == "fake"


async def test_clearing_the_last_capability_lets_running_answers_end(tmp_path: Path) -> None:
    async with supervised(tmp_path, "--rate", "100") as (service, slot):
        service.begin()
        stream = slot.generate(request("[[tokens 30]]"))
        for capability in list(service._assignments.current):
            await service.assign(capability, None)
        assert (await read(stream)).endswith("w29 ")
        await until(lambda: slot.state is State.STOPPED)


async def test_toggled_a_hundred_times_at_once(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (service, slot):
        for capability in list(service._assignments.current):
            await service.assign(capability, None)
        for i in range(100):
            await service.assign("text", "fake" if i % 2 else None)
            assert len(engines()) <= 1
        await until(lambda: slot.state is State.READY)
        assert len(engines()) == 1
        for i in range(101):
            await service.assign("text", "fake" if i % 2 else None)
        await until(lambda: slot.state is State.STOPPED)
        assert engines() == []


async def test_only_what_a_model_can_is_assigned_to_it(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (service, _):
        with pytest.raises(NotCapable, match="can't do reranker"):
            await service.assign("reranker", "fake")
        with pytest.raises(UnknownCapability, match="There are: text"):
            await service.assign("telepathy", "fake")
        assert (await service.assign("code", "fake"))["model_id"] == "fake"


def opening(folder: Path, *names: str) -> dict[str, str | None]:
    models = [ModelSettings(name=str(folder / name)) for name in names]
    return open_for(Settings(models=models, data_dir=folder / "data")).assigned


def test_an_assignment_holds_when_the_same_command_is_given_again(tmp_path: Path) -> None:
    write_model(tmp_path / "one")
    two = write_model(tmp_path / "two")
    assert set(opening(tmp_path, "one").values()) == {"one"}
    kept = Store(tmp_path / "data")
    kept.assign([Assigned("text", "two", str(two)), Assigned("vision", None)])
    again = opening(tmp_path, "one")
    assert (again["text"], again["vision"], again["tool_use"]) == ("two", None, "one")
    assert set(opening(tmp_path, "two").values()) == {"two"}


def test_a_model_that_is_gone_gives_way(tmp_path: Path) -> None:
    write_model(tmp_path / "one")
    opening(tmp_path, "one")
    Store(tmp_path / "data").assign([Assigned("text", "gone", str(tmp_path / "gone"))])
    assert opening(tmp_path, "one")["text"] == "one"
    assert opening(tmp_path)["text"] == "pilot"


async def test_a_full_disk_is_told_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with supervised(tmp_path) as (service, _):
        await service.assign("text", None)
        before = dict(service._assignments.current)

        def full(self: Store) -> sqlite3.Connection:
            database = sqlite3.connect(self.path)
            pages = database.execute("PRAGMA page_count").fetchone()[0]
            database.execute(f"PRAGMA max_page_count = {pages}")
            return database

        monkeypatch.setattr(Store, "_connect", full)
        many = [Assigned(f"label {i}", "fake" * 50) for i in range(1000)]
        with pytest.raises(NotKept, match=r"disk is full.*Nothing was changed"):
            service._assignments._store.assign(many)
        monkeypatch.setattr(assignments, "Assigned", lambda *row: Assigned(*row[:2], "/" * 10**6))
        with pytest.raises(NotKept, match="disk is full"):
            await service.assign("code", "fake")
        assert service._assignments.current == before
        monkeypatch.undo()
        assert service._assignments._store.assignments()["text"].model is None
        await service.assign("text", "fake")


async def test_a_locked_database_is_told_and_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_S", 0.05)
    async with supervised(tmp_path) as (service, _):
        await service.assign("text", None)
        other = sqlite3.connect(service._assignments._store.path)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(NotKept, match="another program holds it"):
            await service.assign("text", "fake")
        assert service._assignments.current["text"] is None
        other.close()
        await service.assign("text", "fake")


def test_a_damaged_database_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mlxd.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(NotKept, match="move it away"):
        opening(tmp_path)


async def test_pilot_confirms_all_that_it_can(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    found = open_for(settings)
    assert set(found.assigned.values()) == {"pilot"}
    async with Supervisor(settings, found.catalogue, assigned=found.assigned) as service:
        async with asyncio.timeout(PATIENCE_S):
            for capability in found.assigned:
                made = await service.confirm("pilot", capability)
                assert made.confirmed, made.detail
                assert {"mlxd", "mlx"} <= made.versions.keys()
            assert not (await service.confirm("pilot", "embedding")).confirmed
        with pytest.raises(NotCapable, match="can't be confirmed"):
            await service.confirm("pilot", "code")
    # Known again after a restart.
    again = Supervisor(settings, Catalogue(), assigned=found.assigned)
    assert again._assignments.confirmations("pilot")["vision"].confirmed


async def test_a_model_that_only_echoes_is_not_confirmed(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (service, _):
        for capability in ("text", "vision", "tool_use", "structured_output"):
            made = await service.confirm("fake", capability)
            assert not made.confirmed
            assert "it" in made.detail
        shown = service.assignments()["models"]["fake"]["confirmed"]
        assert len(shown) == 4
