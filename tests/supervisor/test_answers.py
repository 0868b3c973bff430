"""What a client gets, whatever happens to the engine."""

import asyncio
from pathlib import Path

import pytest
from tests.fakes.engine import HELD

from mlxd import wire
from mlxd.supervisor.contract import (
    EngineUnavailable,
    NotCapable,
    Overloaded,
    RequestFailed,
    UnknownModel,
)
from mlxd.supervisor.policy import State

from .harness import PATIENCE_S, held, read, release, request, supervised, until, words


async def test_the_first_request_starts_the_engine(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (service, slot):
        assert slot.state is State.STOPPED
        card = service.resolve("fake", needs="text")
        assert await read(service.generate(card, request("hello you"))) == "hello you"
        assert slot.state is State.READY


async def test_an_answer_goes_on_when_its_engine_only_looks_alive(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (_, slot):
        # It hangs again when the answer is resumed at the same token, and is then known by name.
        with pytest.raises(RequestFailed, match="2 engines died"):
            await read(slot.generate(request("[[tokens 9]] [[hang 4]]")))
        assert await read(slot.generate(request("well"))) == "well"


async def test_resuming_sends_the_tokens_and_the_same_seed(tmp_path: Path) -> None:
    async with supervised(tmp_path, "--rate", "100") as (_, slot):
        stream = slot.generate(request("[[tokens 20]] [[die-once 7]]"))
        first = stream.to_send()
        assert isinstance(first, wire.Submit)
        assert first.sampling.seed is not None
        assert await read(stream) == words(20)
        again = stream.to_send()
        assert isinstance(again, wire.Submit)
        assert again.sampling.seed == first.sampling.seed
        assert len(again.resume) == 20


@pytest.mark.parametrize("fault", ["malformed 3", "half 3", "exit 3", "stop-self 3"])
async def test_a_broken_engine_is_replaced(tmp_path: Path, fault: str) -> None:
    async with supervised(tmp_path) as (_, slot):
        with pytest.raises(RequestFailed, match="2 engines died"):
            await read(slot.generate(request(f"[[tokens 9]] [[{fault}]]")))
        assert await read(slot.generate(request("well"))) == "well"


async def test_an_engine_that_takes_requests_and_does_nothing_is_replaced(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (_, slot):
        deaf = slot.generate(request("first [[deaf]]"))
        assert await read(deaf) == "first"
        # Its reader had one more frame before it.
        for text in ("heard", "heard at last"):
            assert await read(slot.generate(request(text))) == text
        assert slot.restarts == 1
        assert "owes answers" in " ".join(one.cause for one in slot.history)


async def test_events_for_nobody_are_ignored(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (_, slot):
        assert await read(slot.generate(request("[[tokens 5]] [[stranger 2]]"))) == words(5)
        assert slot.restarts == 0


async def test_a_failed_request_says_what_the_engine_said(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (_, slot):
        with pytest.raises(RequestFailed, match="broke on purpose"):
            await read(slot.generate(request("[[tokens 5]] [[raise 2]]")))
        with pytest.raises(RequestFailed) as refused:
            await read(slot.generate(request("[[fail client too_long]]")))
        assert refused.value.failed.blame == "client"
        assert slot.restarts == 0


async def test_closing_a_stream_cancels_it_in_the_engine(tmp_path: Path) -> None:
    async with supervised(tmp_path, "--rate", "50") as (_, slot):
        stream = slot.generate(request("[[tokens 100000]]"))
        async with asyncio.timeout(PATIENCE_S):
            await anext(aiter(stream))
        await stream.aclose()
        await stream.aclose()
        await until(lambda: slot.progress and slot.progress.running == 0 and slot.progress.steps)
        assert slot.book.running == 0


async def test_leaving_during_load_leaves_nothing(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (_, slot):
        (slot.entry.path / HELD).write_text("loading")
        stream = slot.generate(request("hello"))
        await until(lambda: slot.state is State.LOADING)
        assert stream.state.startswith("loading")
        await stream.aclose()
        assert slot.book.waiting == 0
        release(slot)
        await until(lambda: slot.state is State.READY)


async def test_a_full_queue_is_refused_with_a_time(tmp_path: Path) -> None:
    async with supervised(tmp_path, "--rate", "50", queue_limit=2) as (_, slot):
        running = [slot.generate(request("[[tokens 5]]")) for _ in range(2)]
        with pytest.raises(Overloaded) as refused:
            slot.generate(request("too much"))
        assert refused.value.retry_after >= 1
        assert await asyncio.gather(*map(read, running)) == [words(5)] * 2
        assert await read(slot.generate(request("now"))) == "now"


async def test_embeddings(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (service, slot):
        frame = wire.Embed(0, [wire.Text("a"), wire.Text("b")])
        assert len((await slot.embed(frame)).vectors) == 2
        card = service.resolve("embedding", needs="embedding")
        assert len((await service.embed(card, frame)).vectors) == 2
        assert slot.book.running == 0


async def test_stopping_ends_what_waits_and_what_runs(tmp_path: Path) -> None:
    async with supervised(tmp_path, "--rate", "20") as (service, slot):
        stream = slot.generate(request("[[tokens 100000]]"))
        reading = asyncio.create_task(read(stream))
        await until(lambda: stream.tokens)
        await service.close(drain_s=0.2)
        with pytest.raises(EngineUnavailable, match="stopping"):
            await reading
        with pytest.raises(EngineUnavailable, match="stopping"):
            slot.generate(request("late"))


async def test_draining_lets_answers_end(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (service, slot):
        (stream,) = await held(slot, 1)
        closing = asyncio.create_task(service.close(drain_s=PATIENCE_S))
        await until(lambda: slot.state is State.DRAINING)
        release(slot)
        assert await read(stream) == words(60)
        await closing


async def test_a_request_during_draining_is_served_by_the_next_engine(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (_, slot):
        (running,) = await held(slot, 1)
        slot.stop("test", drain_s=PATIENCE_S)
        await until(lambda: slot.state is State.DRAINING)
        late = slot.generate(request("late but served"))
        release(slot)
        assert await read(late) == "late but served"
        assert await read(running) == words(60)
        assert slot.restarts == 0


async def test_names(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (service, _):
        by_name = service.resolve("fake", needs="text")
        assert service.resolve("vision", needs="text") == by_name
        assert service.resolve(str(tmp_path / "fake"), needs="vision") == by_name
        for name in ("fake", "vision", "text", str(tmp_path / "fake")):
            assert service.find(name) == by_name
        for name in ("gpt-9", "/etc", "reranker"):
            with pytest.raises(UnknownModel):
                service.find(name)
        with pytest.raises(UnknownModel, match="fake"):
            service.resolve("gpt-9", needs="text")
        with pytest.raises(UnknownModel):
            service.resolve("/etc", needs="text")
        with pytest.raises(NotCapable, match="can't do reranker"):
            service.resolve("fake", needs="reranker")
