"""An engine that is told to go in the middle of answers, and a service that ends: who is answered
by the next engine, who is told that there is none, and that nothing is begun any more."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from mlxd import wire
from mlxd.settings import ModelSettings, Settings
from mlxd.supervisor import policy
from mlxd.supervisor.book import Book
from mlxd.supervisor.contract import EngineUnavailable, ServiceStopping
from mlxd.supervisor.policy import State
from mlxd.supervisor.requests import EmbedRequest
from mlxd.supervisor.slot import Slot
from mlxd.supervisor.supervisor import Supervisor

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
from .test_room import several


def starts(slot: Slot) -> int:
    return [one.state for one in slot.history].count(State.STARTING)


async def test_a_restart_that_answers_outlast_goes_on_with_them(tmp_path: Path) -> None:
    async with supervised(tmp_path, drain_s=0.2) as (service, slot):
        streams = await held(slot, 3)
        first = slot.pid
        service.control("fake", "restart")
        await slot.until((State.DRAINING,))
        # It comes while the first engine still works, and waits for the second.
        late = slot.generate(request("[[tokens 5]]"))
        await until(lambda: starts(slot) == 2)
        release(slot)
        assert await asyncio.gather(*map(read, streams)) == [words(60)] * 3
        assert await read(late) == words(5)
        assert any("its requests took too long" in one.cause for one in slot.history)
        assert (slot.restarts, slot.book.counts.resumed) == (0, 3)
        assert slot.pid != first


async def test_reload_restarts_with_the_answers_of_the_engine_before(tmp_path: Path) -> None:
    async with supervised(tmp_path, drain_s=0.2) as (service, slot):
        streams = await held(slot, 3)
        before = service._settings
        engine = msgspec.structs.replace(before.engine, max_batch=3)
        changed = service.reload(msgspec.structs.replace(before, engine=engine))
        assert changed["restarted"] == ["fake"]
        await until(lambda: starts(slot) == 2)
        release(slot)
        assert await asyncio.gather(*map(read, streams)) == [words(60)] * 3


async def test_a_stop_that_answers_outlast_ends_them(tmp_path: Path) -> None:
    async with supervised(tmp_path, drain_s=0.2) as (service, slot):
        streams = await held(slot, 2)
        service.control("fake", "stop")
        for stream in streams:
            with pytest.raises(EngineUnavailable, match="stop was asked for; its requests took"):
                await read(stream)
        await until(lambda: slot.state is State.STOPPED)
        assert starts(slot) == 1


async def test_a_restart_that_is_called_off_ends_what_outlasts_it(tmp_path: Path) -> None:
    async with supervised(tmp_path, drain_s=0.2) as (service, slot):
        streams = await held(slot, 2)
        service.control("fake", "restart")
        service.control("fake", "stop")
        for stream in streams:
            with pytest.raises(EngineUnavailable, match="stop was asked for"):
                await read(stream)
        assert starts(slot) == 1


async def test_who_comes_after_a_stop_takes_the_others_along(tmp_path: Path) -> None:
    """The engine is wanted again, so that nobody needs to be sent away."""
    async with supervised(tmp_path, drain_s=0.2) as (service, slot):
        (stream,) = await held(slot, 1)
        service.control("fake", "stop")
        await slot.until((State.DRAINING,))
        late = slot.generate(request("[[tokens 5]]"))
        await until(lambda: starts(slot) == 2)
        release(slot)
        assert await read(late) == words(5)
        assert await read(stream) == words(60)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
async def test_an_engine_that_dies_while_it_restarts_takes_nothing_with_it(
    tmp_path: Path, number: int
) -> None:
    async with supervised(tmp_path, drain_s=60) as (service, slot):
        streams = await held(slot, 2)
        service.control("fake", "restart")
        await slot.until((State.DRAINING,))
        hurt(slot, number)
        await until(lambda: starts(slot) == 2)
        release(slot)
        assert await asyncio.gather(*map(read, streams)) == [words(60)] * 2


async def test_an_engine_that_comes_back_for_what_is_owed_ends_as_its_predecessor_was_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is told how it ended, so it has the time to end by itself.
    monkeypatch.setattr(policy, "STOP_BASE_S", PATIENCE_S)
    async with supervised(tmp_path) as (_, slot):
        streams = await held(slot, 2)
        slot.stop("code is assigned to another", 60.0)
        await slot.until((State.DRAINING,))
        hurt(slot, signal.SIGKILL)
        await until(lambda: starts(slot) == 2)
        release(slot)
        assert await asyncio.gather(*map(read, streams)) == [words(60)] * 2
        await until(lambda: slot.state is State.STOPPED)
        assert starts(slot) == 2
        told = "code is assigned to another; its process ended by itself"
        assert slot.machine.cause == told


async def test_vectors_are_made_by_the_next_engine_too() -> None:
    sent: list[wire.Down] = []
    book = Book("fake", 9, send=sent.append, is_open=lambda: True)
    wanted = wire.Embed(7, [wire.Text("first"), wire.Text("second")])
    asked = EmbedRequest(wanted, 0.0)
    assert book.add(asked)
    book.engine_left()
    assert (book.running, book.waiting) == (0, 1)
    book.send_all()
    assert sent == [wanted, wanted]
    assert book.take_vectors(wire.Embedded(7, [b"", b""], 2))
    assert (await asked.result).prompt_tokens == 2
    assert (asked.deaths, book.counts.resumed, len(book)) == (0, 1, 0)


# --- the service ends ----------------------------------------------------------------------------


async def test_a_service_that_ends_does_not_come_back_for_what_outlasts_it(tmp_path: Path) -> None:
    async with supervised(tmp_path, drain_s=0.2) as (service, slot):
        streams = await held(slot, 2)
        service.control("fake", "restart")
        closing = asyncio.create_task(service.close())
        await until(lambda: slot._closing)
        slot.want("a request that was on its way")
        slot.start("so was this")
        for stream in streams:
            with pytest.raises(EngineUnavailable, match="the service is stopping"):
                await read(stream)
        await closing
        assert starts(slot) == 1


async def test_an_engine_that_dies_while_the_service_ends_is_not_replaced(tmp_path: Path) -> None:
    async with supervised(tmp_path, drain_s=60) as (service, slot):
        streams = await held(slot, 2)
        closing = asyncio.create_task(service.close())
        await until(lambda: slot.state is State.DRAINING)
        hurt(slot, signal.SIGKILL)
        for stream in streams:
            with pytest.raises(EngineUnavailable, match="the service is stopping"):
                await read(stream)
        await closing
        assert starts(slot) == 1


async def test_changes_are_refused_once_the_service_ends(tmp_path: Path) -> None:
    model = tmp_path / "fake"
    async with supervised(tmp_path, drain_s=60) as (service, slot):
        (stream,) = await held(slot, 1)
        closing = asyncio.create_task(service.close())
        # From the very beginning: documents and downloads are ended before the engines are.
        await asyncio.sleep(0)
        assert slot.state is State.READY
        before = service.assignments()
        for what in ("start", "stop", "restart"):
            with pytest.raises(ServiceStopping):
                service.control("fake", what)
        with pytest.raises(ServiceStopping):
            await service.assign("code", "fake")
        with pytest.raises(ServiceStopping):
            await service.confirm("fake", "text")
        with pytest.raises(ServiceStopping):
            service.reload(Settings(models=[ModelSettings(name=str(model))], data_dir=tmp_path))
        with pytest.raises(ServiceStopping):
            service.slot(msgspec.structs.replace(slot.entry, id="another"))
        assert service.assignments() == before
        service.hurry()
        with pytest.raises(EngineUnavailable, match="the service is stopping at once"):
            await read(stream)
        await closing
        assert starts(slot) == 1


async def test_an_assignment_that_is_being_written_starts_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with several(tmp_path, "a", "b", room_for=1) as (service, (a, b)):
        writing, written = asyncio.Event(), asyncio.Event()
        assign = service._assignments.assign

        async def slowly(capability: str, name: str | None, path: str | None) -> None:
            writing.set()
            await written.wait()
            await assign(capability, name, path)

        monkeypatch.setattr(service._assignments, "assign", slowly)
        asked = asyncio.create_task(service.assign("code", "b"))
        await writing.wait()
        await service.close()
        written.set()
        # It is kept for the next start.
        assert (await asked)["model_id"] == "b"
        assert (starts(a), starts(b)) == (0, 0)


def held_up(service: Supervisor, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The service's end stays where documents are ended, until the returned is called."""
    go = asyncio.Event()
    monkeypatch.setattr(service.desk, "close", go.wait)
    return go.set


async def test_who_waits_for_room_is_told_that_the_service_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with several(tmp_path, "a", "b", room_for=1) as (service, (a, b)):
        service.begin()
        await until(lambda: a.state is State.READY)
        # It has been told to stop, and holds its memory for as long as it does not.
        hurt(a, signal.SIGSTOP)
        waiting = b.generate(request("to b"))
        assert b.awaited
        on = held_up(service, monkeypatch)
        closing = asyncio.create_task(service.close())
        await until(lambda: service._lifecycle._closed and not service._lifecycle._rooms)
        # In the middle of the end: nobody makes room any more.
        with pytest.raises(ServiceStopping):
            b.generate(request("too late"))
        assert len(b.book) == 1
        hurt(a, signal.SIGCONT)
        on()
        with pytest.raises(EngineUnavailable, match="the service is stopping"):
            await read(waiting)
        await closing
        assert starts(b) == 0
        assert engines() == []


async def test_an_engine_that_runs_still_answers_while_documents_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they are in the middle of may need it."""
    async with supervised(tmp_path) as (service, slot):
        assert await read(slot.generate(request("first"))) == "first"
        on = held_up(service, monkeypatch)
        closing = asyncio.create_task(service.close())
        await until(lambda: service._lifecycle._closed)
        assert await read(slot.generate(request("second"))) == "second"
        on()
        await closing
        with pytest.raises(ServiceStopping):
            slot.generate(request("third"))


async def test_a_service_that_ends_twice_ends_once(tmp_path: Path) -> None:
    async with supervised(tmp_path, drain_s=60) as (service, slot):
        (stream,) = await held(slot, 1)
        asyncio.get_running_loop().call_later(0.1, release, slot)
        await asyncio.gather(service.close(), service.close(), read(stream))
        await service.close()
        assert starts(slot) == 1
