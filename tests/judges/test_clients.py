"""Clients that know nothing of mlxd but its address: the official SDK, agents, curl."""

import base64
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Literal

import jsonschema
import openai
import pytest
from PIL import Image
from pydantic import BaseModel, Field

from .service import HELLO, Service

# Of the token that opens reasoning: a model of random weights would reason without end.
NO_THINKING = {"2046": -100}
WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "enum": ["Bern", "Zürich", 'a "quoted" place']},
        "days": {"type": "integer", "minimum": 1, "maximum": 14},
        "unit": {"anyOf": [{"const": "C"}, {"const": "F"}, {"type": "null"}]},
    },
    "required": ["city", "days", "unit"],
    "additionalProperties": False,
}
TOOLS: Any = [
    {"type": "function", "function": {"name": "weather", "parameters": WEATHER}},
    {"type": "function", "function": {"name": "now", "description": "the time"}},
]
SCHEMAS = {"weather": WEATHER, "now": {"type": "object", "maxProperties": 0}}


class Mood(StrEnum):
    GOOD = "good"
    BAD = "bad"


class Review(BaseModel):
    mood: Mood
    stars: int = Field(ge=1, le=5)
    kind: Literal["film", "book"]


@pytest.fixture(scope="module")
def sdk(service: Service) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=service.url + "/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(autouse=True)
def _unhurt_afterwards(service: Service) -> Iterator[None]:
    yield
    service.unhurt()


def ask(sdk: openai.OpenAI, **more: Any) -> Any:
    options: dict[str, Any] = {"model": "tiny", "messages": HELLO, "max_tokens": 8} | more
    return sdk.chat.completions.create(**options)


def test_a_chat_streamed_and_not_is_the_same(sdk: openai.OpenAI) -> None:
    whole = ask(sdk, seed=3, temperature=1)
    chunks = [*ask(sdk, seed=3, temperature=1, stream=True, stream_options={"include_usage": True})]
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens == 8
    assert chunks[-1].usage.prompt_tokens == whole.usage.prompt_tokens
    assert whole.choices[0].message.refusal is None
    assert whole.choices[0].message.annotations == []


def test_n_choices_are_different_and_counted(sdk: openai.OpenAI) -> None:
    answer = ask(sdk, n=4, temperature=1.5, seed=1)
    assert [c.index for c in answer.choices] == [0, 1, 2, 3]
    assert len({c.message.content for c in answer.choices}) == 4
    assert answer.usage.completion_tokens == 32
    assert ask(sdk, temperature=1.5, seed=1).choices[0].message == answer.choices[0].message


def test_logprobs_are_those_of_the_answer(sdk: openai.OpenAI) -> None:
    answer = ask(sdk, logprobs=True, top_logprobs=5, temperature=0)
    tokens = answer.choices[0].logprobs.content
    assert len(tokens) == 8
    spelt = b"".join(bytes(token.bytes) for token in tokens)
    assert spelt.decode(errors="replace") == answer.choices[0].message.content
    for token in tokens:
        values = [top.logprob for top in token.top_logprobs]
        assert len(values) == 5
        assert values == sorted(values, reverse=True)
        # Greedy: what was chosen is the likeliest.
        assert token.logprob == values[0] <= 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("choice", ["required", "weather", "now"])
def test_calls_that_must_be_made_fit_their_schemas(
    sdk: openai.OpenAI, choice: str, stream: bool
) -> None:
    tool_choice: Any = choice
    if choice != "required":
        tool_choice = {"type": "function", "function": {"name": choice}}
    for seed in range(4):
        options: Any = {
            "tools": TOOLS,
            "tool_choice": tool_choice,
            "parallel_tool_calls": False,
            "max_tokens": 400,
            "seed": seed,
            "temperature": 1,
            "logit_bias": NO_THINKING,
        }
        if stream:
            with sdk.chat.completions.stream(model="tiny", messages=HELLO, **options) as events:  # type: ignore[call-overload]
                answer = events.get_final_completion()
        else:
            answer = ask(sdk, **options)
        message = answer.choices[0].message
        assert answer.choices[0].finish_reason == "tool_calls"
        assert not message.content
        (call,) = message.tool_calls
        assert choice in ("required", call.function.name)
        jsonschema.validate(json.loads(call.function.arguments), SCHEMAS[call.function.name])


def test_a_parsed_answer_is_of_its_class(sdk: openai.OpenAI) -> None:
    for seed in range(4):
        answer = sdk.chat.completions.parse(
            model="tiny",
            messages=[{"role": "user", "content": "rate it"}],
            response_format=Review,
            max_tokens=400,
            temperature=1,
            seed=seed,
            logit_bias=NO_THINKING,  # type: ignore[arg-type]
        )
        assert answer.choices[0].finish_reason == "stop"
        assert isinstance(answer.choices[0].message.parsed, Review)


def test_a_truncated_format_says_so(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        sdk.chat.completions.parse(
            model="tiny",
            messages=[{"role": "user", "content": "rate it"}],
            response_format=Review,
            max_tokens=2,
        )


def test_a_call_and_its_result_go_back(sdk: openai.OpenAI) -> None:
    first = ask(
        sdk, tools=TOOLS, tool_choice="required", max_tokens=400, seed=1, logit_bias=NO_THINKING
    )
    message = first.choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in message.tool_calls
    ]
    again = ask(sdk, messages=[*HELLO, message, *results], tools=TOOLS)
    assert again.usage.prompt_tokens > first.usage.prompt_tokens


@pytest.mark.parametrize(
    ("prompt", "choices"),
    [("once", 1), (["once", "twice"], 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2)],
    ids=str,
)
def test_every_form_of_a_prompt(sdk: openai.OpenAI, prompt: Any, choices: int) -> None:
    options: Any = {"model": "tiny", "prompt": prompt, "max_tokens": 3, "temperature": 0}
    answer = sdk.completions.create(**options, logprobs=2)
    assert len(answer.choices) == choices
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3 * choices
    said = ["" for _ in range(choices)]
    for chunk in sdk.completions.create(**options, stream=True):
        for choice in chunk.choices:
            said[choice.index] += choice.text
    assert said == [choice.text for choice in answer.choices]


def test_models_by_every_name(sdk: openai.OpenAI, service: Service) -> None:
    listed = {model.id: model for model in sdk.models.list()}
    assert {"tiny", "tiny-vl", "tiny-embed"} <= listed.keys()
    path = listed["tiny"].path  # type: ignore[attr-defined]
    for name in ("tiny", path, "text"):
        assert ask(sdk, model=name).model == "tiny"
    assert sdk.models.retrieve("tiny") == listed["tiny"]
    with pytest.raises(openai.NotFoundError, match="tiny-vl"):
        sdk.models.retrieve("absent")


def test_embeddings_as_floats_and_as_the_sdk_wants_them(sdk: openai.OpenAI) -> None:
    texts = ["hello there", "hello there", "something else"]
    plain = sdk.embeddings.create(model="tiny-embed", input=texts, encoding_format="float")
    packed = sdk.embeddings.create(model="embedding", input=texts)
    vectors = [one.embedding for one in plain.data]
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-5)
    assert vectors[0] != pytest.approx(vectors[2], abs=1e-2)
    assert [one.embedding for one in packed.data] == [pytest.approx(v, abs=1e-5) for v in vectors]
    assert plain.usage.prompt_tokens == plain.usage.total_tokens > 0
    with pytest.raises(openai.BadRequestError, match="embedding"):
        sdk.embeddings.create(model="tiny", input="hello")
    with pytest.raises(openai.BadRequestError, match="input"):
        sdk.embeddings.create(model="tiny-embed", input="")


def test_errors_are_the_sdks_own_classes(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as absent:
        ask(sdk, model="absent")
    assert absent.value.param == "model"
    assert absent.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        ask(sdk, temperature=9)
    assert wrong.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as long:
        ask(sdk, messages=[{"role": "user", "content": "word " * 30_000}])
    assert long.value.code == "context_length_exceeded"


def test_an_image_by_the_sdk(sdk: openai.OpenAI) -> None:
    out = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(out, "PNG")
    red = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
    content = [
        {"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": {"url": red, "detail": "low"}},
    ]
    for model in ("tiny-vl", "vision"):
        answer = ask(sdk, model=model, messages=[{"role": "user", "content": content}])
        assert answer.model == "tiny-vl"
        assert answer.usage.prompt_tokens > 8


@pytest.mark.filterwarnings("ignore")  # of the libraries about themselves
async def test_an_agent_of_pydantic_ai(service: Service) -> None:
    from pydantic_ai import Agent, UsageLimits
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=service.url + "/v1", api_key="none")
    model = OpenAIChatModel("tiny", provider=provider)
    called: list[str] = []
    for seed in range(3):
        agent = Agent(
            model,
            output_type=Review,
            model_settings={
                "logit_bias": {k: int(v) for k, v in NO_THINKING.items()},
                "max_tokens": 500,
                "temperature": 1.0,
                "seed": seed,
                "parallel_tool_calls": False,
            },
        )

        @agent.tool_plain
        def look(what: Literal["title", "author"]) -> str:
            called.append(what)
            return f"the {what} is Momo"

        done = await agent.run("rate it", usage_limits=UsageLimits(request_limit=30))
        assert isinstance(done.output, Review)
    assert set(called) <= {"title", "author"}


@pytest.mark.filterwarnings("ignore")  # of the library about itself
def test_litellm(service: Service) -> None:
    import litellm

    options: Any = {
        "model": "openai/tiny",
        "api_base": service.url + "/v1",
        "api_key": "none",
        "messages": HELLO,
        "max_tokens": 6,
        "temperature": 0,
    }
    whole = litellm.completion(**options)
    said = "".join(
        chunk.choices[0].delta.content or "" for chunk in litellm.completion(**options, stream=True)
    )
    assert whole.choices[0].message.content == said != ""
    assert whole.usage.completion_tokens == 6
    with pytest.raises(litellm.BadRequestError, match="temperature"):
        litellm.completion(**{**options, "temperature": 3}, num_retries=0)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_curl_as_in_the_readme(service: Service) -> None:
    body = '{"model": "text", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}'
    command = ["curl", "-sS", service.url + "/v1/chat/completions", "-d", body]
    json_type = ["-H", "content-type: application/json"]
    # Without the header curl says that it is a form, and it is JSON all the same.
    for header in (json_type, []):
        done = subprocess.run([*command, *header], capture_output=True, timeout=120, check=True)
        assert json.loads(done.stdout)["usage"]["completion_tokens"] == 5
