"""Answers of real engines with everything in flight at once: killed in the middle, each ends up
with exactly the text, tool calls, reasoning, tokens, reason and counts of an undisturbed run."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench.models import SHAPES, write_model

from .outcome import Outcome
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


async def at_work(here: World, model: str, count: int) -> int:
    """The engine's process, once it has all of them and is in the middle."""
    before = (await here.engine(model))["tokens_out"]
    engine = await here.until(
        model, lambda e: e["running"] >= count and e["tokens_out"] - before > 12 * count
    )
    return int(engine["pid"])


async def test_killed_in_the_middle_everything_is_as_if_nothing_had_happened(
    models: list[Path], tmp_path: Path
) -> None:
    asked = list(bodies(models[0]))
    rows = {
        name: sum(b.get("n", 1) for b in asked if b["model"] == name)
        for name in ("tiny", "thinker")
    }
    command = [sys.executable, "-m", "mlxd", "serve"]
    environment = {"MLXD_SERVER_KEEP_ALIVE": "0.05"}
    async with opened(World(tmp_path / "world", command, models, environment)) as here:
        await here.until("thinker", lambda e: e["state"] == "ready")
        undisturbed = await asyncio.gather(*map(here.chat, asked))
        has_everything(undisturbed)
        for number in (signal.SIGKILL, signal.SIGTERM):
            asking = [asyncio.create_task(here.chat(body)) for body in asked]
            pids = await asyncio.gather(*(at_work(here, name, n // 2) for name, n in rows.items()))
            for pid in pids:
                os.kill(pid, number)
            for body, outcome, before in zip(
                asked, await asyncio.gather(*asking), undisturbed, strict=True
            ):
                assert outcome.kind == "answered", (body, outcome)
                assert outcome.said() == before.said(), body
            for name in rows:
                assert (await here.engine(name))["restarts"] >= 1


def has_everything(outcomes: list[Outcome]) -> None:
    """Or the comparison would prove little."""
    choices = [choice for outcome in outcomes for choice in outcome.choices]
    assert all(outcome.kind == "answered" for outcome in outcomes), outcomes
    assert any(choice.calls for choice in choices)
    assert any(choice.reasoning and choice.text for choice in choices)
    assert any(choice.logprobs for choice in choices)
    assert {choice.finish for choice in choices} >= {"length", "stop", "tool_calls"}
    assert any(len(outcome.choices) == 3 for outcome in outcomes)
