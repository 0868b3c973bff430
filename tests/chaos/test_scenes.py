"""What befalls a model's engine from start to end, over HTTP, each with a model of its own."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from .outcome import Outcome
from .together import Scene, of, together
from .world import World, held, same_process

WORDS = "".join(f"w{i} " for i in range(40))
# At least, by the clock of `tests.chaos.gateway`; jitter only adds to it.
DELAYS_S = (0.049, 0.099, 0.199)
SCENES: dict[str, Scene[None]] = {}


def scene(play: Callable[[World, str], Awaitable[None]]) -> Callable[[World, str], Awaitable[None]]:
    SCENES[play.__name__] = play
    return play


async def stopped(here: World, model: str) -> None:
    await here.control(model, "stop")
    await here.until(model, lambda e: e["state"] == "stopped")


def starts(engine: dict[str, Any]) -> list[float]:
    return [one["at"] for one in engine["history"] if one["state"] == "starting"]


@scene
async def twenty_first_requests_make_one_engine(here: World, model: str) -> None:
    await stopped(here, model)
    before = len(starts(await here.engine(model)))
    asked = (here.ask(model, f"number {i}", stream=bool(i % 2)) for i in range(20))
    texts = [outcome.text for outcome in await asyncio.gather(*asked)]
    assert texts == [f"number {i}" for i in range(20)]
    assert len(starts(await here.engine(model))) == before + 1


@scene
async def a_crash_on_start_ten_times(here: World, model: str) -> None:
    """Two loops of five: the delays grow, the end says why, and only an explicit start tries
    again."""
    await stopped(here, model)
    broken = here.models / model / "broken"
    broken.touch()
    seen = (await here.engine(model))["history"][-1]["at"]
    for _ in range(2):
        first = await here.ask(model, "hello", stream=True)
        assert first.kind == "refused"
        assert "was ended by SIGKILL" in first.told
        assert f"no use: {here.models / model} is broken" in first.told
        engine = await here.engine(model)
        assert engine["state"] == "failed"
        again = await here.ask(model, "hello")
        assert (again.status, (await here.engine(model))["pid"]) == (503, None)
        happened = [one for one in engine["history"] if one["at"] > seen]
        assert [one["state"] for one in happened].count("starting") == 5
        waited = [
            after["at"] - before["at"]
            for before, after in pairwise(happened)
            if (before["state"], after["state"]) == ("stopped", "starting")
        ]
        # The restart after the first crash is at once. How late a busy machine is comes on top.
        assert len(waited) == 3
        assert all(a >= b for a, b in zip(waited, DELAYS_S, strict=True)), waited
        seen = happened[-1]["at"]
        await here.control(model, "start")
        await here.until(model, lambda e, seen=seen: e["history"][-1]["at"] > seen)
    await here.until(model, lambda e: e["state"] == "failed")
    broken.unlink()
    assert (await here.ask(model, "hello")).status == 503
    await here.control(model, "start")
    await here.until(model, lambda e: e["state"] == "ready")
    assert (await here.ask(model, "hello")).text == "hello"


@scene
async def assignments_toggled_a_hundred_times(here: World, model: str) -> None:
    """In ten seconds, with requests between them."""
    asked = []
    for i in range(100):
        await here.assign("code", model if i % 2 else None)
        if i % 7 == 0:
            more = {"stream": bool(i % 2)}
            asked.append(asyncio.create_task(here.ask(model, f"request {i}", **more)))
        await asyncio.sleep(0.1)
    # A request that came while the model was needed by nothing holds it, and so is answered.
    for outcome, i in zip(await asyncio.gather(*asked), range(0, 100, 7), strict=True):
        assert outcome.text == f"request {i}", outcome
    await here.until(model, lambda e: e["state"] == "ready")
    await here.assign("code", None)
    await here.until(model, lambda e: e["state"] == "stopped")
    assert here.engines(model) == []


@scene
async def suspects_that_wait_for_their_turn_are_owed_an_answer_too(here: World, model: str) -> None:
    """Though nothing needs their model any more."""
    await here.assign("reasoning", model)
    asked = [asyncio.create_task(here.ask(model, "[[tokens 40]]", stream=True)) for _ in range(3)]
    with held(here, model, "decoding"):
        for _ in range(2):
            engine = await here.until(model, lambda e: e["running"] == 3 and e["state"] == "ready")
            os.kill(engine["pid"], signal.SIGKILL)
            await here.until(model, lambda e, pid=engine["pid"]: e["pid"] != pid)
        await here.until(model, lambda e: (e["running"], e["waiting"]) == (1, 2))
        await here.assign("reasoning", None)
    assert [outcome.text for outcome in await asyncio.gather(*asked)] == [WORDS] * 3
    await here.until(model, lambda e: e["state"] == "stopped")


@scene
async def leaving_while_it_loads(here: World, model: str) -> None:
    await stopped(here, model)
    with held(here, model, "loading"):
        asked = [asyncio.create_task(here.ask(model, "hello", stream=s)) for s in (True, False)]
        stays = asyncio.create_task(here.ask(model, "I stay"))
        await here.until(model, lambda e: e["state"] == "loading" and e["waiting"] == 3)
        for one in asked:
            one.cancel()
    assert (await stays).text == "I stay"
    await here.until(model, lambda e: (e["running"], e["waiting"]) == (0, 0))
    await here.until(model, lambda e: e["progress"]["running"] == 0)


@scene
async def everybody_leaves_while_it_loads(here: World, model: str) -> None:
    await stopped(here, model)
    with held(here, model, "loading"):
        asked = [asyncio.create_task(here.ask(model, f"{i}")) for i in range(5)]
        await here.until(model, lambda e: e["state"] == "loading" and e["waiting"] == 5)
        for one in asked:
            one.cancel()
    await here.until(model, lambda e: (e["state"], e["waiting"]) == ("ready", 0))
    assert (await here.ask(model, "and now?")).text == "and now?"


@scene
async def a_poisonous_request_is_named_and_the_others_live(here: World, model: str) -> None:
    others = [
        asyncio.create_task(here.ask(model, "[[tokens 40]]", stream=bool(i % 2))) for i in range(4)
    ]
    with held(here, model, "decoding"):
        await here.until(model, lambda e: e["running"] == 4)
    poison = [here.ask(model, "[[tokens 30]] [[die 3]]", stream=s) for s in (True, False)]
    for outcome in await asyncio.gather(*poison):
        assert outcome.kind == "refused"
        assert "engines died while they worked on this request" in outcome.told
    assert [outcome.text for outcome in await asyncio.gather(*others)] == [WORDS] * 4
    assert (await here.ask(model, "and now?")).text == "and now?"


@scene
async def one_engine_after_the_other_dies_under_an_answer(here: World, model: str) -> None:
    """Two that share the blame for nothing: each is lost to a signal from outside."""
    asked = [asyncio.create_task(here.ask(model, "[[tokens 40]]", stream=True)) for _ in range(3)]
    with held(here, model, "decoding"):
        for _ in range(2):
            engine = await here.until(model, lambda e: e["running"] and e["state"] == "ready")
            os.kill(engine["pid"], signal.SIGKILL)
            await here.until(model, lambda e, pid=engine["pid"]: e["pid"] != pid)
    assert [outcome.text for outcome in await asyncio.gather(*asked)] == [WORDS] * 3


@scene
async def reloaded_and_restarted_under_a_stream(here: World, model: str) -> None:
    asked = [asyncio.create_task(here.ask(model, "[[tokens 40]]", stream=s)) for s in (True, False)]
    with held(here, model, "decoding"):
        engine = await here.until(model, lambda e: e["running"] == 2)
        await here.control(model, "restart")
    late = await here.ask(model, "late")
    assert late.text == "late"
    assert [outcome.text for outcome in await asyncio.gather(*asked)] == [WORDS] * 2
    assert (await here.engine(model))["pid"] != engine["pid"]
    assert not same_process(engine["pid"])()


@scene
async def a_request_that_hangs_its_engine(here: World, model: str) -> None:
    """The heart stops with the work, though its channel stays open."""
    other = asyncio.create_task(here.ask(model, "[[tokens 40]]", stream=True))
    with held(here, model, "decoding"):
        await here.until(model, lambda e: e["running"] == 1)
    outcome: Outcome = await here.ask(model, "[[tokens 9]] [[hang 4]]", stream=True)
    assert outcome.kind == "refused"
    assert "no sign of life" in outcome.told
    assert (await other).text == WORDS


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exception | None]:
    folder: Path = tmp_path_factory.mktemp("scenes")
    switches = ("--start-seconds", "0.2", "--load-seconds", "0.4", "--rate", "40")
    return together(folder, SCENES, *switches, MLXD_SERVER_KEEP_ALIVE="0.2")


@pytest.mark.parametrize("name", SCENES)
def test_scene(played: dict[str, Exception | None], name: str) -> None:
    of(played, name)
