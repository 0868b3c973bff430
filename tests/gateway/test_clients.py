"""Clients as their users have them: the official SDK, pydantic-ai, litellm."""

import asyncio
import json
import os
import sys
from typing import Any

import openai
import pytest

from .conftest import Gateway


@pytest.fixture
async def sdk(gateway: Gateway) -> Any:
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key="none", max_retries=0
    ) as client:
        yield client


SAY: Any = [{"role": "user", "content": "one two"}]


async def test_the_sdk_chats(sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.chat.completions.create(
        model="fake", messages=SAY, logprobs=True, top_logprobs=2
    )
    choice = answer.choices[0]
    assert choice.message.content == "one two"
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert [token.token for token in choice.logprobs.content] == ["one", " two"]
    assert choice.logprobs.content[0].bytes == list(b"one")
    assert len(choice.logprobs.content[0].top_logprobs) == 2
    assert answer.usage is not None
    assert answer.usage.total_tokens == 4
    assert answer._request_id == answer.id


async def test_the_sdk_streams_tool_calls(sdk: openai.AsyncOpenAI) -> None:
    prompt: Any = [{"role": "user", "content": '[[reason 1]] [[call add {"a": 1}]] [[call b {}]]'}]
    async with sdk.chat.completions.stream(
        model="fake", messages=prompt, stream_options={"include_usage": True}
    ) as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_completion()
    calls = final.choices[0].message.tool_calls or []
    assert [(c.function.name, json.loads(c.function.arguments)) for c in calls] == [
        ("add", {"a": 1}),
        ("b", {}),
    ]
    assert final.choices[0].finish_reason == "tool_calls"
    assert final.usage is not None


async def read(stream: Any) -> None:
    async for _ in stream:
        pass


async def test_the_sdk_sees_errors_as_its_own(sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as wrong:
        await sdk.chat.completions.create(model="fake", messages=SAY, temperature=9)
    assert wrong.value.param == "temperature"
    with pytest.raises(openai.NotFoundError):
        await sdk.chat.completions.create(model="gpt-9", messages=SAY)
    broken: Any = [{"role": "user", "content": "[[wait 0.01]] a b c d [[raise 2]]"}]
    with pytest.raises(openai.APIError, match="broke on purpose"):
        await read(await sdk.chat.completions.create(model="fake", messages=broken, stream=True))


async def test_the_sdk_completes_embeds_and_lists(sdk: openai.AsyncOpenAI) -> None:
    text = await sdk.completions.create(model="fake", prompt=["a", "b"])
    assert [choice.text for choice in text.choices] == ["a", "b"]
    embedded = await sdk.embeddings.create(model="fake", input=["a", "b"])
    assert len(embedded.data[0].embedding) == 8
    assert [model.id async for model in sdk.models.list()] == ["fake-org/fake-model", "plain"]
    assert (await sdk.models.retrieve("fake-org/fake-model")).id == "fake-org/fake-model"


async def test_pydantic_ai_goes_round_its_tool_loop(sdk: openai.AsyncOpenAI) -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    agent = Agent(OpenAIChatModel("fake", provider=OpenAIProvider(openai_client=sdk)))

    @agent.tool_plain
    def add(a: int, b: int) -> int:
        return a + b

    # The fake engine echoes the last message, which in the second round is the tool's.
    answer = await agent.run('[[call add {"a": 20, "b": 3}]]')
    assert answer.output == "23"
    async with agent.run_stream("[[reason 2]] said aloud") as stream:
        assert await stream.get_output() == "said aloud"


LITELLM = """
import litellm, sys
where = dict(api_base=sys.argv[1], api_key="none")
say = lambda text: [{"role": "user", "content": text}]
whole = litellm.completion("openai/fake", say("one two"), **where)
assert whole.choices[0].message.content == "one two"
assert whole.usage.total_tokens == 4
calls = ""
for chunk in litellm.completion(
    "openai/fake", say('[[call add {"a": 1}]]'), stream=True, **where
):
    for call in chunk.choices[0].delta.tool_calls or ():
        calls += (call.function.name or "") + call.function.arguments
assert calls == 'add{"a": 1}', calls
assert len(litellm.embedding("openai/fake", input=["a"], **where).data[0]["embedding"]) == 8
try:
    litellm.completion("openai/fake", say("x"), temperature=9, **where)
except litellm.BadRequestError as error:
    assert "temperature" in str(error)
else:
    raise AssertionError("accepted")
"""


async def test_litellm_chats_streams_and_embeds(gateway: Gateway) -> None:
    # A process of its own: importing it changes loggers and warns of things that are not ours.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        LITELLM,
        f"{gateway.url}/v1",
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
