"""Answers of real engines with everything in flight at once: killed in the middle, each ends up
with exactly the text, tool calls, reasoning, tokens, reason and counts of an undisturbed run."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bench.models import SHAPES, write_model

from mlxd.bench.http import Watch

from .outcome import Choice, Outcome, add
from .world import World, opened

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "the weather of a city",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "minLength": 60, "maxLength": 90},
                "days": {"type": "array", "items": {"type": "integer"}, "minItems": 9},
            },
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 80, "maxLength": 120},
        "values": {"type": "array", "items": {"type": "integer"}, "minItems": 12, "maxItems": 20},
    },
    "required": ["name", "values"],
    "additionalProperties": False,
}
STRICT = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}
CODE = {"type": "regex", "regex": "([a-f]{4}-[0-9]{4} ){20}"}
LENGTH = 160
NAMES = ("tiny", "thinker")
# Instead of a signal: by name.
RESTART = 0
# Of all that an engine's streams will say, what has come when it is hurt: everything is in flight.
SHARE = 0.25


def token(model: Path, text: str) -> str:
    added = json.loads((model / "tokenizer.json").read_text())["added_tokens"]
    return str(next(one["id"] for one in added if one["content"] == text))


def bodies(model: Path) -> Iterator[dict[str, Any]]:
    """Of each kind one that is greedy and one that is drawn with a seed."""
    never_ends = {"logit_bias": {token(model, "<|im_end|>"): -100}}
    thinks = {"logit_bias": {**never_ends["logit_bias"], token(model, "</think>"): 4}}
    kinds: list[dict[str, Any]] = [
        never_ends,
        {**never_ends, "n": 3},
        {**never_ends, "logprobs": True, "top_logprobs": 3},
        {**never_ends, "stop": ["qq", "zx"], "frequency_penalty": 0.4},
        {"tools": [TOOL], "tool_choice": "required", "max_tokens": 900},
        {"response_format": STRICT},
        {"response_format": CODE, "logprobs": True},
        {**thinks, "model": "thinker"},
        {**never_ends, "top_k": 30, "top_p": 0.9, "repetition_penalty": 1.2},
    ]
    for number, kind in enumerate(kinds):
        for drawn in (False, True):
            sampling = {"temperature": 1.1, "seed": number} if drawn else {"temperature": 0}
            yield {
                "model": "tiny",
                "messages": [{"role": "user", "content": f"Tell me more about {number}."}],
                "max_tokens": LENGTH,
                "stream": bool((number + drawn) % 2),
                **sampling,
                **kind,
            }


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    tiny = write_model(folder / "tiny", SHAPES["tiny"])
    thinker = write_model(folder / "thinker", SHAPES["tiny"])
    template = thinker / "chat_template.jinja"
    template.write_text(template.read_text() + "<think>\n")
    return [tiny, thinker]


class Middle:
    """The streams of one engine, and what is done to it once a share of all they say is there.

    Whoever looks at the engine from time to time may find it before or after its work, depending
    on the machine; its own answers pass the middle in any case.
    """

    def __init__(self, whole: int, hurt: Callable[[], object]) -> None:
        self._left = int(whole * SHARE)
        self._hurt = hurt
        self.hurt = False

    def stream(self) -> Watch:
        rest = b""

        def watch(_at: float, piece: bytes) -> None:
            nonlocal rest
            *events, rest = (rest + piece).split(b"\n\n")
            self._left -= sum(map(length, events))
            if self._left <= 0 and not self.hurt:
                self.hurt = True
                self._hurt()

        return watch


def length(event: bytes) -> int:
    """Of what a client is told in this event."""
    if not event.startswith(b"data: {"):
        return 0
    told = Choice()
    for choice in json.loads(event.removeprefix(b"data: "))["choices"]:
        add(told, choice["delta"], choice)
    return told.length


async def test_killed_in_the_middle_everything_is_as_if_nothing_had_happened(
    models: list[Path], tmp_path: Path
) -> None:
    asked = list(bodies(models[0]))
    command = [sys.executable, "-m", "mlxd", "serve"]
    # A restart does not wait for what it can hand on.
    environment = {"MLXD_SERVER_KEEP_ALIVE": "0.05", "MLXD_SERVER_DRAIN_TIMEOUT": "0.1"}
    async with opened(World(tmp_path / "world", command, models, environment)) as here:
        for name in NAMES:
            await here.until(name, lambda e: e["state"] == "ready")
        undisturbed = await asyncio.gather(*map(here.chat, asked))
        has_everything(undisturbed)
        whole = dict.fromkeys(NAMES, 0)
        for body, outcome in zip(asked, undisturbed, strict=True):
            if body["stream"]:
                whole[body["model"]] += sum(choice.length for choice in outcome.choices)
        restarting: list[asyncio.Task[None]] = []

        def way(number: int, name: str, pid: int) -> Callable[[], object]:
            if number:
                return lambda: os.kill(pid, number)
            return lambda: restarting.append(asyncio.create_task(here.control(name, "restart")))

        for number in (signal.SIGKILL, signal.SIGTERM, RESTART):
            engines = {
                name: await here.until(name, lambda e: e["state"] == "ready") for name in NAMES
            }
            middles = {
                name: Middle(whole[name], way(number, name, engine["pid"]))
                for name, engine in engines.items()
            }
            asking = (here.chat(body, middles[body["model"]].stream()) for body in asked)
            disturbed = await asyncio.gather(*asking)
            for body, outcome, before in zip(asked, disturbed, undisturbed, strict=True):
                assert outcome.kind == "answered", (body, outcome)
                assert outcome.said() == before.said(), body
            for name, engine in engines.items():
                assert middles[name].hurt
                died = engine["restarts"] + bool(number)
                await here.until(name, lambda e, died=died: e["restarts"] == died)
                await here.until(name, lambda e, old=engine["pid"]: e["pid"] not in (None, old))
        await asyncio.gather(*restarting)


def has_everything(outcomes: list[Outcome]) -> None:
    """Or the comparison would prove little."""
    choices = [choice for outcome in outcomes for choice in outcome.choices]
    assert all(outcome.kind == "answered" for outcome in outcomes), outcomes
    assert any(choice.calls for choice in choices)
    assert any(choice.reasoning and choice.text for choice in choices)
    assert any(choice.logprobs for choice in choices)
    assert {choice.finish for choice in choices} >= {"length", "stop", "tool_calls"}
    assert any(len(outcome.choices) == 3 for outcome in outcomes)
