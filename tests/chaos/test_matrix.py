"""Signals to an engine in every state, with streaming and whole answers on their way: each has its
one end, and it is the text that an undisturbed engine gives."""

import asyncio
import os
import signal
from dataclasses import dataclass
from typing import Any

import pytest
from tests.fakes.engine import HELD

from .outcome import Outcome
from .together import of, together
from .world import World, same_process

WORDS = 90
PROMPT = f'[[reason 5]] [[tokens {WORDS}]] [[call look {{"at": "this"}}]]'
PREFILL = f"[[wait 0.5]] {PROMPT}"
SWITCHES = ("--start-seconds", "0.2", "--load-seconds", "0.5", "--rate", "45")
SIGNALS = (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM)
SHAPES: dict[str, dict[str, Any]] = {
    "stream": {"stream": True},
    "whole": {},
    "two streamed": {"stream": True, "n": 2},
    "two whole with logprobs": {"n": 2, "logprobs": True, "top_logprobs": 2},
    "streamed with logprobs, cut": {"stream": True, "logprobs": True, "max_tokens": 70},
}
STATES = ("starting", "loading", "idle", "prefilling", "decoding", "draining")


@dataclass
class Cell:
    undisturbed: dict[str, Outcome]
    after: dict[str, Outcome]
    restarts: int
    gone: bool
    next_text: str


def phase(engine: dict[str, Any]) -> str:
    progress = engine.get("progress") or {}
    return progress.get("phase", "") if engine["state"] == "ready" else engine["state"]


async def met(here: World, model: str, state: str) -> list[asyncio.Task[Outcome]]:
    """Bring the engine into the state, with all requests on their way that it can have there."""
    prompt = PREFILL if state == "prefilling" else PROMPT
    if state in ("starting", "loading"):
        await here.control(model, "stop")
        await here.until(model, lambda e: e["state"] == "stopped")
    else:
        await here.ask(model, "are you ready?")
    if state == "idle":
        return []
    # It stays there until it is hurt, however long it takes to see it.
    held = here.models / model / HELD
    held.write_text("decoding" if state == "draining" else state)
    asked = [asyncio.create_task(here.ask(model, prompt, **more)) for more in SHAPES.values()]
    rows = sum(more.get("n", 1) for more in SHAPES.values())
    if state in ("starting", "loading"):
        await here.until(model, lambda e: e["state"] == state)
    else:
        wanted = "decoding" if state == "draining" else state
        await here.until(model, lambda e: phase(e) == wanted and e["running"] == rows)
    if state == "draining":
        await here.control(model, "stop")
        await here.until(model, lambda e: e["state"] == state)
    return asked


async def hurt(here: World, model: str) -> Cell:
    state, _, number = model.rpartition("-")
    prompt = PREFILL if state == "prefilling" else PROMPT
    asking = (here.ask(model, prompt, **more) for more in SHAPES.values())
    undisturbed = dict(zip(SHAPES, await asyncio.gather(*asking), strict=True))
    asked = await met(here, model, state)
    engine = await here.engine(model)
    lives = same_process(engine["pid"])
    os.kill(engine["pid"], int(number))
    (here.models / model / HELD).unlink(missing_ok=True)
    after = dict(zip(SHAPES, await asyncio.gather(*asked), strict=False))
    if not asked:
        await here.until(model, lambda e: e["pid"] != engine["pid"] and e["state"] == "ready")
    next_text = (await here.ask(model, "and now?")).text
    restarts = (await here.engine(model))["restarts"] - engine["restarts"]
    return Cell(undisturbed, after, restarts, not lives(), next_text)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cell | Exception]:
    folder = tmp_path_factory.mktemp("matrix")
    scenes = {f"{state}-{number:d}": hurt for state in STATES for number in SIGNALS}
    return together(folder, scenes, *SWITCHES, MLXD_SERVER_KEEP_ALIVE="0.1")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("state", STATES)
def test_every_answer_has_one_end_and_its_whole_text(
    cells: dict[str, Cell | Exception], state: str, number: int
) -> None:
    cell = of(cells, f"{state}-{number:d}")
    assert cell.gone
    assert cell.restarts == 1
    assert cell.next_text == "and now?"
    for shape, outcome in cell.after.items():
        assert outcome.kind == "answered", (shape, outcome)
        assert outcome.said() == cell.undisturbed[shape].said(), shape
    assert cell.undisturbed["whole"].text == "".join(f"w{i} " for i in range(WORDS))
    if cell.after:
        assert cell.after["stream"].comments, "nothing kept the connection alive in the pause"
