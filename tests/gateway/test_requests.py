"""Every parameter is checked before anything is queued, and refused by its name."""

import json
from typing import Any

import msgspec
import pytest

from mlxd import wire

from .conftest import Gateway

SAY = [{"role": "user", "content": "hi"}]
ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
PNG = "data:image/png;base64,iVBORw0KGgo="


def part(**kind: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [kind]}]


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("messages", {"messages": []}),
    ("messages", {"messages": None}),
    ("messages", {"messages": "hi"}),
    ("messages[0]", {"messages": ["hi"]}),
    ("messages[0].role", {"messages": [{"content": "hi"}]}),
    ("messages[0].role", {"messages": [{"role": "wizard", "content": "hi"}]}),
    ("messages[0].role", {"messages": [{"role": 5, "content": "hi"}]}),
    ("messages[1].content", {"messages": [*SAY, {"role": "user", "content": 5}]}),
    ("messages[0].content[0].type", {"messages": part(text="x")}),
    ("messages[0].content[0].type", {"messages": part(type="hologram")}),
    ("messages[0].content[0].type", {"messages": part(type="input_audio", input_audio={})}),
    ("messages[0].content[0].type", {"messages": part(type="file", file={})}),
    ("messages[0].content[0].text", {"messages": part(type="text", text=5)}),
    ("messages[0].content[0].image_url", {"messages": part(type="image_url")}),
    ("messages[0].content[0].image_url.url", {"messages": part(type="image_url", image_url={})}),
    (
        "messages[0].tool_calls",
        {
            "messages": [
                {
                    "role": "user",
                    "tool_calls": [{"id": "a", "function": {"name": "add", "arguments": "{}"}}],
                }
            ]
        },
    ),
    (
        "messages[0].tool_calls[0].id",
        {
            "messages": [
                {
                    "role": "assistant",
                    "tool_calls": [{"function": {"name": "add", "arguments": "{}"}}],
                }
            ]
        },
    ),
    (
        "messages[0].content[0]",
        {
            "messages": [
                {"role": "system", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}
            ]
        },
    ),
    ("temperature", {"temperature": "hot"}),
    ("temperature", {"temperature": -0.1}),
    ("temperature", {"temperature": 2.1}),
    ("temperature", {"temperature": True}),
    ("top_p", {"top_p": 1.5}),
    ("top_p", {"top_p": -1}),
    ("top_k", {"top_k": -2}),
    ("top_k", {"top_k": 1.5}),
    ("min_p", {"min_p": 2}),
    ("frequency_penalty", {"frequency_penalty": 3}),
    ("presence_penalty", {"presence_penalty": -3}),
    ("repetition_penalty", {"repetition_penalty": 0}),
    ("repetition_penalty", {"repetition_penalty": 1e-300}),
    ("max_tokens", {"max_tokens": 0}),
    ("max_tokens", {"max_tokens": -5}),
    ("max_tokens", {"max_tokens": 1.5}),
    ("max_completion_tokens", {"max_completion_tokens": 2**40}),
    ("logit_bias", {"logit_bias": {"x": 1}}),
    ("logit_bias", {"logit_bias": {"-1": 1}}),
    ("logit_bias", {"logit_bias": {"1": 101}}),
    ("logit_bias", {"logit_bias": {"1": "much"}}),
    ("seed", {"seed": 1.5}),
    ("seed", {"seed": "one"}),
    ("stop", {"stop": 5}),
    ("stop", {"stop": ""}),
    ("stop", {"stop": ["a"] * 17}),
    ("stop[1]", {"stop": ["a", ""]}),
    ("n", {"n": 0}),
    ("n", {"n": 1000}),
    ("stream", {"stream": "yes"}),
    ("stream_options", {"stream_options": {"include_usage": True}}),
    ("stream_options.include_usage", {"stream": True, "stream_options": {"include_usage": 1}}),
    ("logprobs", {"logprobs": 3}),
    ("top_logprobs", {"top_logprobs": 3}),
    ("top_logprobs", {"top_logprobs": 21, "logprobs": True}),
    ("tools", {"tools": {}}),
    ("tools[0].function", {"tools": [{"type": "function"}]}),
    ("tools[0].function.name", {"tools": [{"function": {"name": "no spaces"}}]}),
    ("tools[0].type", {"tools": [{"type": "custom", "function": {"name": "a"}}]}),
    ("tools[0].function.parameters", {"tools": [{"function": {"name": "a", "parameters": []}}]}),
    ("tools[1].function.name", {"tools": [ADD, ADD]}),
    ("tool_choice", {"tool_choice": "required"}),
    ("tool_choice", {"tool_choice": "maybe"}),
    ("tool_choice", {"tool_choice": 5}),
    ("tool_choice.type", {"tool_choice": {"type": "custom"}, "tools": [ADD]}),
    (
        "tool_choice.function.name",
        {"tools": [ADD], "tool_choice": {"type": "function", "function": {"name": "sub"}}},
    ),
    ("response_format.type", {"response_format": {"type": "xml"}}),
    ("response_format.type", {"response_format": {}}),
    ("response_format.json_schema", {"response_format": {"type": "json_schema"}}),
    ("response_format.regex", {"response_format": {"type": "regex"}}),
    ("chat_template_kwargs", {"chat_template_kwargs": "x"}),
    ("chat_template_kwargs.chat_template", {"chat_template_kwargs": {"chat_template": "x"}}),
    ("chat_template", {"chat_template": "{{ x }}"}),
    ("reasoning_effort", {"reasoning_effort": "heroic"}),
    ("modalities", {"modalities": ["text", "audio"]}),
    ("audio", {"audio": {"voice": "alloy"}}),
    ("prediction", {"prediction": {"type": "content", "content": "x"}}),
    ("web_search_options", {"web_search_options": {}}),
    ("functions", {"functions": [{"name": "add"}]}),
    ("functions", {"functions": []}),
    ("function_call", {"function_call": "auto"}),
    ("function_call", {"function_call": "none"}),
    ("store", {"store": True}),
    ("store", {"store": "yes"}),
    ("metadata", {"metadata": {"run": "7"}}),
    ("metadata", {"metadata": "run 7"}),
    ("prompt_cache_retention", {"prompt_cache_retention": "24h"}),
    ("modalities", {"modalities": []}),
    ("modalities[0]", {"modalities": ["video"]}),
    (
        "stream_options.include_obfuscation",
        {"stream": True, "stream_options": {"include_obfuscation": True}},
    ),
    ("verbosity", {"verbosity": "low"}),
    ("service_tier", {"service_tier": "gold"}),
    ("model", {"model": None}),
    ("model", {"model": ""}),
    ("model", {"model": 5}),
    ("model", {"model": "a" * 5000}),
]


@pytest.mark.parametrize(("param", "given"), REFUSED, ids=lambda x: str(x)[:60])
async def test_a_wrong_parameter_is_a_400_that_names_it(
    gateway: Gateway, param: str, given: dict[str, Any]
) -> None:
    before = len(gateway.service.submitted)
    body = {"model": "fake", "messages": SAY, **given}
    answer = await gateway.client.post("/v1/chat/completions", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param), error
    assert error["type"] == "invalid_request_error"
    assert param.partition("[")[0].partition(".")[0] in error["message"]
    assert len(gateway.service.submitted) == before


@pytest.mark.parametrize(
    ("param", "given"),
    [
        ("prompt", {}),
        ("prompt", {"prompt": None}),
        ("prompt", {"prompt": []}),
        ("prompt", {"prompt": 5}),
        ("prompt", {"prompt": {"a": 1}}),
        ("prompt", {"prompt": ["a", 1]}),
        ("prompt", {"prompt": ["a"] * 1000}),
        ("prompt[1]", {"prompt": [[1], []]}),
        ("prompt[0]", {"prompt": [-1]}),
        ("prompt[0]", {"prompt": [2**40]}),
        ("prompt[0][0]", {"prompt": [["a"]]}),
        ("prompt[0]", {"prompt": [1.5]}),
        ("echo", {"prompt": "a", "echo": True}),
        ("suffix", {"prompt": "a", "suffix": "b"}),
        ("best_of", {"prompt": "a", "best_of": 3}),
        ("logprobs", {"prompt": "a", "logprobs": True}),
        ("logprobs", {"prompt": "a", "logprobs": 50}),
        ("prompt", {"prompt": ["a"] * 100, "n": 32}),
    ],
    ids=str,
)
async def test_bare_completions_refuse_by_name_too(
    gateway: Gateway, param: str, given: dict[str, Any]
) -> None:
    answer = await gateway.client.post("/v1/completions", json={"model": "fake", **given})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


async def submitted(gateway: Gateway, **given: Any) -> wire.Submit:
    answer = await gateway.client.post(
        "/v1/chat/completions", json={"model": "fake", "messages": SAY, **given}
    )
    assert answer.status_code == 200, answer.text
    return gateway.service.submitted[-1]


async def test_what_was_asked_reaches_the_engine(gateway: Gateway) -> None:
    submit = await submitted(
        gateway,
        temperature=0,
        top_p=0.5,
        top_k=-1,
        min_p=0.1,
        frequency_penalty=-2,
        presence_penalty=2,
        repetition_penalty=1.1,
        logit_bias={"17": -100, "4": 2.5},
        seed=-1,
        stop="END",
        max_tokens=9,
        max_completion_tokens=7,
        logprobs=True,
        top_logprobs=3,
        service_tier="flex",
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {"a": 1}}},
    )
    assert submit.sampling == wire.Sampling(
        temperature=0.0,
        top_p=0.5,
        top_k=0,
        min_p=0.1,
        repetition_penalty=1.1,
        frequency_penalty=-2.0,
        presence_penalty=2.0,
        logit_bias={17: -100.0, 4: 2.5},
        seed=2**64 - 1,
    )
    assert (submit.stop, submit.max_tokens, submit.logprobs) == (["END"], 7, 3)
    assert submit.priority is wire.Priority.BATCH
    assert submit.format == wire.Format("json_schema", '{"a":1}')


async def test_null_means_absent_everywhere(gateway: Gateway) -> None:
    from msgspec.structs import fields

    from mlxd.gateway.dialects.openai.schema import ChatRequest

    names = [f.name for f in fields(ChatRequest) if f.name not in ("model", "messages", "seed")]
    submit = await submitted(gateway, seed=5, **dict.fromkeys(names))
    plain = await submitted(gateway, seed=5)
    assert submit == plain.__class__(id=submit.id, input=plain.input, sampling=plain.sampling)


async def test_what_asks_for_nothing_special_is_taken(gateway: Gateway) -> None:
    given = {
        "store": False,
        "metadata": {},
        "modalities": ["text"],
        "prompt_cache_key": "a",
        "prompt_cache_retention": "in_memory",
        "safety_identifier": "b",
        "user": "c",
        "service_tier": "priority",
        "verbosity": "medium",
        "logit_bias": {},
        "stop": [],
        "tools": [],
    }
    submit = await submitted(gateway, seed=5, **given)
    plain = await submitted(gateway, seed=5)
    assert msgspec.structs.replace(submit, id=plain.id) == plain


async def test_every_role_becomes_one_that_templates_know(gateway: Gateway) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    submit = await submitted(
        gateway,
        messages=[
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "a"}], "name": "ann"},
            {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "hm"},
            {"role": "tool", "tool_call_id": "c1", "content": "3"},
            {"role": "assistant", "function_call": {"name": "add", "arguments": "{}"}},
            {"role": "function", "name": "add", "content": "4"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
            {"role": "user", "content": "x"},
        ],
    )
    assert isinstance(submit.input, wire.Chat)
    a = [wire.TextPart("a")]
    assert submit.input.messages == [
        wire.Message("system", [wire.TextPart("be brief")]),
        wire.Message("user", a, name="ann"),
        wire.Message(
            "assistant", [], reasoning="hm", tool_calls=[wire.ToolCall("c1", "add", "{}")]
        ),
        wire.Message("tool", [wire.TextPart("3")], tool_call_id="c1"),
        wire.Message("assistant", [], tool_calls=[wire.ToolCall("call_4", "add", "{}")]),
        wire.Message("tool", [wire.TextPart("4")], name="add", tool_call_id="call_4"),
        wire.Message("assistant", [wire.TextPart("no")]),
        wire.Message("user", [wire.TextPart("x")]),
    ]


@pytest.mark.parametrize(
    ("given", "tools", "choice"),
    [
        ({}, [], "none"),
        ({"tools": [ADD]}, ["add"], "auto"),
        ({"tools": [ADD], "tool_choice": "required"}, ["add"], "required"),
        ({"tools": [ADD], "tool_choice": "none"}, ["add"], "none"),
        (
            {"tools": [ADD], "tool_choice": {"type": "function", "function": {"name": "add"}}},
            ["add"],
            "=add",
        ),
        (
            {
                "tools": [ADD, {"function": {"name": "sub"}}],
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {
                        "mode": "required",
                        "tools": [{"type": "function", "function": {"name": "sub"}}],
                    },
                },
            },
            ["sub"],
            "required",
        ),
    ],
)
async def test_tool_choices(
    gateway: Gateway, given: dict[str, Any], tools: list[str], choice: str
) -> None:
    chat = (await submitted(gateway, **given)).input
    assert isinstance(chat, wire.Chat)
    assert ([tool.name for tool in chat.tools], chat.tool_choice) == (tools, choice)


async def test_reasoning_effort_becomes_what_templates_ask_for(gateway: Gateway) -> None:
    chat = (await submitted(gateway, reasoning_effort="none")).input
    assert isinstance(chat, wire.Chat)
    assert chat.template_kwargs == {"reasoning_effort": "none", "enable_thinking": False}
    kwargs = {"enable_thinking": True, "style": "dry"}
    submit = await submitted(gateway, reasoning_effort="low", chat_template_kwargs=kwargs)
    assert isinstance(submit.input, wire.Chat)
    assert submit.input.template_kwargs == {"reasoning_effort": "low", **kwargs}


async def test_choices_have_seeds_of_their_own_and_one_prompt(gateway: Gateway) -> None:
    before = len(gateway.service.submitted)
    answer = (await gateway.chat("a b c", n=3, seed=42)).json()
    seeds = [submit.sampling.seed for submit in gateway.service.submitted[before:]]
    assert seeds[0] == 42
    assert len(set(seeds)) == 3
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert {choice["message"]["content"] for choice in answer["choices"]} == {"a b c"}
    assert answer["usage"]["prompt_tokens"] == 3
    assert answer["usage"]["completion_tokens"] == 9


async def test_a_request_without_a_seed_gets_a_new_one(gateway: Gateway) -> None:
    seeds = {(await submitted(gateway)).sampling.seed for _ in range(3)}
    assert len(seeds) == 3
    assert None not in seeds


async def test_prompts_of_all_four_kinds(gateway: Gateway) -> None:
    for prompt, texts in [
        ("a b", ["a b"]),
        (["a", "b c"], ["a", "b c"]),
        ([5, 6], ["t5 t6"]),
        ([[5], [6, 7]], ["t5", "t6 t7"]),
        ("", [""]),
    ]:
        body = {"model": "fake", "prompt": prompt, "logprobs": 2, "seed": 1}
        answer = (await gateway.client.post("/v1/completions", json=body)).json()
        assert [choice["text"] for choice in answer["choices"]] == texts
        assert answer["usage"]["completion_tokens"] == sum(len(t.split()) for t in texts)


async def test_unknown_parameters_are_ignored_and_named(gateway: Gateway) -> None:
    odd = {"xtc_threshold": 0.9, "\u2028\r\nset-cookie": 1, "user": "ann", "service_tier": "auto"}
    answer = await gateway.chat("hi", **odd)
    assert answer.status_code == 200
    assert answer.headers["x-mlxd-ignored-parameters"] == "xtc_threshold, ???set-cookie"
    assert "x-mlxd-ignored-parameters" not in (await gateway.chat("hi")).headers


async def test_an_unknown_model_is_a_404_that_lists_what_there_is(gateway: Gateway) -> None:
    for path, body in [
        ("chat/completions", {"messages": SAY}),
        ("completions", {"prompt": "a"}),
        ("embeddings", {"input": "a"}),
    ]:
        answer = await gateway.client.post(f"/v1/{path}", json={"model": "gpt-9", **body})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (404, "model_not_found")
        assert error["param"] == "model"
        assert "fake-org/fake-model" in error["message"]


async def test_models_are_listed_and_found_by_every_name(gateway: Gateway) -> None:
    listed = (await gateway.client.get("/v1/models")).json()
    assert listed["object"] == "list"
    assert listed["data"][0]["id"] == "fake-org/fake-model"
    assert listed["data"][0]["context_length"] == 4096
    for name in ("fake-org/fake-model", "fake", "text", "embedding"):
        one = await gateway.client.get(f"/v1/models/{name}")
        assert one.json() == listed["data"][0]
    assert (await gateway.client.get("/v1/models/nope/x")).status_code == 404


async def test_an_image_needs_a_model_that_sees(gateway: Gateway) -> None:
    body = {"messages": part(type="image_url", image_url={"url": PNG})}
    answer = await gateway.client.post("/v1/chat/completions", json={"model": "plain", **body})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")
    submit = await submitted(gateway, **body)
    assert isinstance(submit.input, wire.Chat)
    (image,) = submit.input.messages[0].content
    assert image == wire.ImagePart(b"\x89PNG\r\n\x1a\n", "messages[0].content[0].image_url.url")
    for detail in ("low", "high", "auto", None):
        asked = part(type="image_url", image_url={"url": PNG, "detail": detail})
        submit = await submitted(gateway, messages=asked)
        assert isinstance(submit.input, wire.Chat)
        (image,) = submit.input.messages[0].content
        assert isinstance(image, wire.ImagePart)
        assert image.small is (detail == "low")


async def test_embeddings(gateway: Gateway) -> None:
    import base64
    import struct

    async def embed(**more: Any) -> Any:
        return await gateway.client.post("/v1/embeddings", json={"model": "fake", **more})

    answer = (await embed(input=["a b", "c"])).json()
    assert [len(one["embedding"]) for one in answer["data"]] == [8, 8]
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    coded = (await embed(input="a b", encoding_format="base64")).json()["data"][0]["embedding"]
    assert list(struct.unpack("<8f", base64.b64decode(coded))) == answer["data"][0]["embedding"]
    short = (await embed(input="a b", dimensions=3)).json()["data"][0]["embedding"]
    assert len(short) == 3
    assert sum(x * x for x in short) == pytest.approx(1)
    for param, given in [
        ("input", {"input": ""}),
        ("input", {"input": []}),
        ("input[1]", {"input": ["a", ""]}),
        ("dimensions", {"input": "a", "dimensions": 9}),
        ("dimensions", {"input": "a", "dimensions": 0}),
        ("encoding_format", {"input": "a", "encoding_format": "hex"}),
        ("input", {}),
    ]:
        refused = await embed(**given)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
    many = (await embed(input=[f"number {i}" for i in range(2048)])).json()["data"]
    assert [one["index"] for one in many] == list(range(2048))
    assert many[7]["embedding"] == (await embed(input="number 7")).json()["data"][0]["embedding"]
    assert (await embed(input=["a"] * 2049)).json()["error"]["param"] == "input"
    plain = await gateway.client.post("/v1/embeddings", json={"model": "plain", "input": "a"})
    assert (plain.status_code, plain.json()["error"]["code"]) == (400, "model_not_capable")


async def test_reports(gateway: Gateway) -> None:
    assert (await gateway.client.get("/health")).json() == {"status": "ok"}
    assert (await gateway.client.get("/ready")).json() == {"ready": True}
    assert "engines" in (await gateway.client.get("/status")).json()
    assert (await gateway.client.get("/metrics")).text == "mlxd_up 1\n"
    document = (await gateway.client.get("/openapi.json")).json()
    assert "ChatRequest" in json.dumps(document)


async def test_wrong_paths_and_methods_have_the_envelope(gateway: Gateway) -> None:
    for answer, status in [
        (await gateway.client.get("/nothing"), 404),
        (await gateway.client.get("/v1/chat/completions"), 405),
        (await gateway.client.delete("/v1/models"), 405),
    ]:
        assert answer.status_code == status
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.headers["allow"]
