"""Requests that hurt the neighbours: each alone, then a normal request after it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .service import HELLO, Service, answered, refused

WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "an empty prompt": ("completions", {"prompt": ""}, "prompt"),
    "a stop that is a number": ("chat", {"stop": 5}, "stop"),
    "a bias far out of the vocabulary": ("chat", {"logit_bias": {"99999999": 5}}, "logit_bias"),
    "a bias just out of the vocabulary": ("chat", {"logit_bias": {"2048": 5}}, "logit_bias"),
    "no messages": ("chat", {"messages": []}, "messages"),
    "a negative token": ("completions", {"prompt": [-1]}, "prompt"),
    "a token out of the vocabulary": ("completions", {"prompt": [2048]}, "prompt"),
    "seventeen stops": ("chat", {"stop": ["x"] * 17}, "stop"),
    "stream options without a stream": ("chat", {"stream_options": {}}, "stream_options"),
}
RIGHT: dict[str, tuple[str, dict[str, Any]]] = {
    "a list of prompts": ("completions", {"prompt": ["a", "b"]}),
    "top_k beyond the vocabulary": ("chat", {"top_k": 10**6, "temperature": 1}),
    "xtc_threshold": ("chat", {"xtc_threshold": 0.9, "xtc_probability": 1}),
    "json_object": ("chat", {"response_format": {"type": "json_object"}, "max_tokens": 40}),
    "a null temperature": ("chat", {"temperature": None}),
    "every optional field null": (
        "chat",
        dict.fromkeys(["stop", "seed", "tools", "n", "logprobs", "max_tokens", "stream", "top_p"])
        | {"max_completion_tokens": 4},
    ),
    "a seed": ("chat", {"seed": 2**63, "temperature": 1}),
}


def ask(service: Service, kind: str, more: dict[str, Any]) -> Any:
    return service.chat(**more) if kind == "chat" else service.complete(**more)


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_served_is_refused_by_name(service: Service, name: str) -> None:
    kind, more, param = WRONG[name]
    refused(ask(service, kind, more), param)
    service.unhurt()


@pytest.mark.parametrize("name", RIGHT)
def test_what_can_be_served_is_answered(service: Service, name: str) -> None:
    answered(ask(service, *RIGHT[name]))
    service.unhurt()


def test_an_unknown_parameter_is_ignored_and_named(service: Service) -> None:
    answer = service.chat(xtc_threshold=0.9, mirostat=2)
    assert answer.headers["x-mlxd-ignored-parameters"] == "mirostat, xtc_threshold"


def test_a_stop_inside_a_token_ends_the_generation(service: Service) -> None:
    """The neighbour strips the text and generates on to the limit."""
    whole = answered(service.chat(temperature=0, max_tokens=64))["choices"][0]["message"]["content"]
    stop = whole[9:12]
    cut = answered(service.chat(temperature=0, max_tokens=64, stop=stop))
    assert cut["choices"][0]["message"]["content"] == whole[: whole.index(stop)]
    assert cut["choices"][0]["finish_reason"] == "stop"
    assert cut["usage"]["completion_tokens"] < 64
    service.unhurt()


def test_a_prompt_equal_to_an_earlier_prompt_with_its_answer(service: Service) -> None:
    first = answered(service.complete("once upon", temperature=0, max_tokens=20))
    again = "once upon" + first["choices"][0]["text"]
    for _ in range(2):
        answered(service.complete(again, temperature=0))
    service.unhurt()


def test_a_batch_keeps_each_request_its_own_sampling(service: Service) -> None:
    """The neighbour takes the sampler of the first request of a batch for all of them."""
    greedy = service.chat(temperature=0, max_tokens=12).json()["choices"][0]["message"]["content"]
    mixed = {"model": "tiny", "messages": HELLO, "max_tokens": 12}
    with ThreadPoolExecutor(6) as pool:
        bodies = [{**mixed, "temperature": i % 2 * 1.5, "seed": i} for i in range(6)]
        answers = [a.json() for a in pool.map(service.post, bodies)]
    texts = [a["choices"][0]["message"]["content"] for a in answers]
    assert texts[0::2] == [greedy] * 3
    assert len({*texts[1::2], greedy}) == 4
    service.unhurt()
