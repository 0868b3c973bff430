"""What a turn may take: the desk's own code in front of a real service, with PydanticAI's own test
models where it matters how a model behaves."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from pydantic_ai.models.test import TestModel
from starlette.applications import Starlette
from tests.judges.service import Service

from mlxd.desk.agent import Agent
from mlxd.settings import AgentSettings

from .npm import parsed, said

pytestmark = pytest.mark.timeout(600)
Talk = Callable[..., Any]


@asynccontextmanager
async def agent(service: Service, folder: Path, **limits: Any) -> AsyncIterator[Talk]:
    made = Agent(service.url, None, folder, AgentSettings(**limits))
    async with made:
        transport = httpx2.ASGITransport(app=Starlette(routes=made.routes()))
        turning = await made._prepared()
        async with httpx2.AsyncClient(transport=transport, base_url="http://desk") as http:

            async def talk(model: Model | str) -> tuple[str, list[dict[str, Any]]]:
                message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Go on"}]}
                body: dict[str, Any] = {"id": "s", "trigger": "submit-message"}
                body["messages"] = [message]
                if isinstance(model, str):
                    answer = await http.post("/chat/agent-stream", json={**body, "model": model})
                else:
                    with turning._turns.agent.override(model=model):
                        answer = await http.post("/chat/agent-stream", json=body)
                assert answer.status_code == 200, answer.text
                kept = (await http.get("/sessions/s")).json()["messages"][1:]
                return answer.text, kept

            yield talk


def only_error(body: str) -> str:
    """The one error of a stream that ends rightly, as the npm client tells it."""
    made = parsed(body)
    assert made["wrong"] == []
    assert made["status"] == "error"
    assert made["kinds"].count("error") == 1
    assert body.endswith("data: [DONE]\n\n")
    return str(made["error"])


class Looping:
    """Always one more look at the machine, and some words before it."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        self.asked += 1
        yield "Once more. " * 20
        yield {1: DeltaToolCall("machine_status", "{}", tool_call_id=f"call-{self.asked}")}


async def test_a_turn_ends_at_its_steps(service: Service, tmp_path: Path) -> None:
    model = Looping()
    async with agent(service, tmp_path, steps=3) as talk:
        body, [kept] = await talk(FunctionModel(stream_function=model))
    told = only_error(body)
    assert told == "The turn was ended at its limit: 3 answers of the model (agent.steps)."
    assert kept["metadata"]["mlxd"] == {"error": told}
    assert model.asked == 3
    tools = [part for part in kept["parts"] if part["type"] == "tool-machine_status"]
    assert [part["state"] for part in tools] == ["output-available"] * 3


async def test_a_turn_ends_at_its_tokens(service: Service, tmp_path: Path) -> None:
    model = Looping()
    async with agent(service, tmp_path, steps=100, tokens=500) as talk:
        body, _ = await talk(FunctionModel(stream_function=model))
    assert "500 tokens read and written (agent.tokens)" in only_error(body)
    assert 1 < model.asked < 20


async def test_a_turn_ends_at_its_time_and_the_engine_is_free(
    service: Service, tmp_path: Path
) -> None:
    async with agent(service, tmp_path, seconds=2.0) as talk:
        body, [kept] = await talk("endless")
        assert "agent.seconds" in only_error(body)
        # As far as it came in that time.
        theirs = [one for one in parsed(body)["messages"] if one["role"] == "assistant"]
        assert said(kept) == "".join(map(said, theirs))
        await asyncio.to_thread(service.released)


async def test_a_model_that_says_nothing_is_not_waited_for_for_ever(
    service: Service, tmp_path: Path
) -> None:
    async def silent(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield "never"

    async with agent(service, tmp_path, seconds=1.0) as talk:
        body, [kept] = await talk(FunctionModel(stream_function=silent))
    assert "agent.seconds" in only_error(body)
    assert kept["parts"] == []
    assert "agent.seconds" in kept["metadata"]["mlxd"]["error"]


async def test_a_model_that_ends_without_a_word_is_told_in_words_of_ours(
    service: Service, tmp_path: Path
) -> None:
    async def empty(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        yield ""

    async with agent(service, tmp_path) as talk:
        body, [kept] = await talk(FunctionModel(stream_function=empty))
    told = only_error(body)
    assert told.startswith("The model ended without an answer")
    assert kept["metadata"]["mlxd"] == {"error": told}


async def test_what_is_wrong_with_a_tools_arguments_is_told_in_words(
    service: Service, tmp_path: Path
) -> None:
    async def wrongly(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        if len(messages) > 1:
            yield "I give up."
        else:
            yield {0: DeltaToolCall("list_jobs", '{"n": 17}', tool_call_id="call")}

    async with agent(service, tmp_path) as talk:
        _, [kept] = await talk(FunctionModel(stream_function=wrongly))
    (tool,) = [part for part in kept["parts"] if part["type"] == "tool-list_jobs"]
    assert tool["errorText"] == "n: Extra inputs are not permitted"


async def test_a_model_that_calls_every_tool_gets_a_result_of_each(
    service: Service, tmp_path: Path
) -> None:
    async with agent(service, tmp_path) as talk:
        body, kept = await talk(TestModel(seed=1))
    made = parsed(body)
    assert made["wrong"] == []
    ends = [json.loads(line[6:]) for line in body.split("\n\n") if '"tool-output-' in line]
    called = {part["type"] for one in kept for part in one["parts"] if "toolCallId" in part}
    wanted = ("search_documents", "read_document", "look_at_image", "list_jobs", "machine_status")
    assert {f"tool-{name}" for name in wanted} <= called
    assert len(ends) >= len(called)
    waiting = ("input-streaming", "input-available")
    assert not [part for one in kept for part in one["parts"] if part.get("state") in waiting]


async def test_only_models_elsewhere_are_kept_from_marks_of_a_template(
    service: Service, tmp_path: Path
) -> None:
    """Engines here do that themselves, and a long answer is ten times cheaper without."""
    async with Agent(service.url, None, tmp_path, AgentSettings()) as made:
        turns = (await made._prepared())._turns
        for name, broken in (("pilot", False), ("far-says", True)):
            chosen = await turns._choose(name, [])
            profile = turns._model(chosen.name, chosen.elsewhere).profile
            assert profile.get("may_tokenize_special_tokens_in_content") is broken, name
