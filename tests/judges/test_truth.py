"""What an answer says of itself is so, also on a machine that lacks things."""

import json
from pathlib import Path

import pytest

from .service import HELLO, Service, answered, refused

TOOL_CALL = 2044  # the token that opens a call, in the vocabulary of the models made here


def test_finish_and_usage_are_those_of_the_answer(service: Service) -> None:
    for limit in (1, 2, 7, 30):
        body = answered(service.chat(max_tokens=limit, temperature=0, logprobs=True))
        choice = body["choices"][0]
        assert choice["finish_reason"] == "length"
        assert body["usage"]["completion_tokens"] == limit == len(choice["logprobs"]["content"])
    ids = list(range(100, 150))
    assert answered(service.complete(ids))["usage"]["prompt_tokens"] == len(ids)


def test_a_second_turn_says_how_much_of_it_was_known(service: Service) -> None:
    said = [{"role": "user", "content": "a prompt of its own " * 20}]
    first = answered(service.chat(messages=said, temperature=0, max_tokens=10))
    assert first["usage"]["prompt_tokens_details"]["cached_tokens"] < 20
    reply = first["choices"][0]["message"]["content"]
    said += [{"role": "assistant", "content": reply}, {"role": "user", "content": "and?"}]
    second = answered(service.chat(messages=said, temperature=0, max_tokens=10))
    known = second["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert first["usage"]["prompt_tokens"] - 5 <= known < second["usage"]["prompt_tokens"]


@pytest.mark.parametrize(
    ("more", "finish", "why"),
    [
        ({"logit_bias": {"2039": 100}}, "stop", "end_of_sequence_first"),
        ({"logit_bias": {"2046": 100}, "max_tokens": 8}, "length", "budget_in_reasoning"),
    ],
    ids=lambda x: str(x)[:30],
)
def test_an_empty_answer_says_why(service: Service, more: dict, finish: str, why: str) -> None:  # type: ignore[type-arg]
    body = answered(service.chat(temperature=0, **more))
    choice = body["choices"][0]
    assert not choice["message"]["content"]
    assert (choice["finish_reason"], choice["finish_details"]["type"]) == (finish, why)
    assert choice["finish_details"]["message"]


@pytest.mark.parametrize("limit", [1, 2, 4, 6])
def test_a_call_cut_before_its_name_shows_no_markup(service: Service, limit: int) -> None:
    tool = {"type": "function", "function": {"name": "a_long_name_for_a_tool"}}
    wanted = {"tools": [tool], "tool_choice": "required", "max_tokens": limit, "temperature": 0}
    choice = answered(service.chat(**wanted))["choices"][0]
    assert (choice["message"]["content"] or "", choice["finish_reason"]) == ("", "length")
    assert choice["finish_details"]["type"] == "budget_in_call"
    streamed = service.chat(stream=True, **wanted).text
    chunks = [json.loads(line[6:]) for line in streamed.splitlines() if line[6:7] == "{"]
    ends = [c["choices"][0] for c in chunks if c.get("choices")]
    assert not any(end["delta"].get("content") for end in ends)
    assert ends[-1]["finish_reason"] == "length"
    assert ends[-1]["finish_details"] == choice["finish_details"]


def test_a_stop_at_once_says_so(service: Service) -> None:
    first = answered(service.chat(temperature=0, max_tokens=2))["choices"][0]["message"]["content"]
    choice = answered(service.chat(temperature=0, max_tokens=2, stop=first[:2]))["choices"][0]
    assert choice["message"]["content"] == ""
    assert choice["finish_details"]["type"] == "stop_sequence_first"


def test_the_end_of_the_context_says_so(service: Service) -> None:
    """No room was left, though the client set no limit that was reached."""
    context = service.http.get("/v1/models/tiny-vl").json()["context_length"]
    almost = {"model": "tiny-vl", "prompt": [5] * (context - 3), "temperature": 0}
    body = answered(service.complete(**almost, max_tokens=50))
    choice = body["choices"][0]
    assert body["usage"]["total_tokens"] == context
    assert (choice["finish_reason"], choice["finish_details"]["type"]) == ("length", "context")
    refused(service.complete([5] * context, model="tiny-vl"), "prompt")
    service.unhurt("tiny-vl")


def test_it_answers_without_a_compiler_and_with_nothing_cached(
    models: Path, tmp_path: Path
) -> None:
    for name in ("nothing", "temporary", "cache"):
        (tmp_path / name).mkdir()
    bare = {
        "PATH": str(tmp_path / "nothing"),
        "TMPDIR": str(tmp_path / "temporary"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    alone = Service([models / "tiny", models / "tiny-vl"], tmp_path / "home", bare)
    try:
        for name in ("tiny", "tiny-vl"):
            sampled = {"temperature": 1, "top_p": 0.5, "seed": 1}
            for more in ({}, sampled, {"repetition_penalty": 1.2}):
                answer = alone.chat(name, HELLO, **more)
                assert answered(answer)["choices"][0]["message"]["content"]
        alone.unhurt()
    finally:
        alone.close()


def test_a_strict_tool_holds_what_the_model_writes_once_it_has_begun_a_call(
    service: Service,
) -> None:
    parameters = {
        "type": "object",
        "properties": {"city": {"enum": ["Rome", "Oslo"]}, "days": {"enum": [1, 2, 3]}},
        "required": ["city", "days"],
        "additionalProperties": False,
    }
    function = {"name": "forecast", "parameters": parameters, "strict": True}
    # Random weights, and a bias towards the token that opens a call: nothing but the schema
    # makes sense of what follows.
    wanted = {
        "tools": [{"type": "function", "function": function}],
        "logit_bias": {str(TOOL_CALL): 100},
        "parallel_tool_calls": False,
        "max_tokens": 200,
    }
    for seed in range(3):
        choice = answered(service.chat(seed=seed, **wanted))["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == (None, "tool_calls")
        (call,) = choice["message"]["tool_calls"]
        assert call["function"]["name"] == "forecast"
        given = json.loads(call["function"]["arguments"])
        assert given["city"] in ("Rome", "Oslo")
        assert given["days"] in (1, 2, 3)
