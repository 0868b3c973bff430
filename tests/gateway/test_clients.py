"""Unchanged clients: the official SDK."""

import json
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
