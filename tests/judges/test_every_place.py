"""A valid request with one thing wrong in it, at every place, in every way."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from .service import Service, answered, refused

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "maximum": 9}},
    "required": ["city"],
}
CHAT: dict[str, Any] = {
    "model": "tiny",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "name": "ann", "content": [{"type": "text", "text": "the weather?"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Bern"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ],
    "max_tokens": 2,
    "max_completion_tokens": 2,
    "temperature": 0.7,
    "top_p": 0.9,
    "top_k": 40,
    "min_p": 0.01,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "repetition_penalty": 1.1,
    "logit_bias": {"17": -5},
    "seed": 7,
    "stop": ["END"],
    "n": 1,
    "logprobs": True,
    "top_logprobs": 2,
    "stream": False,
    "tools": [
        {
            "type": "function",
            "function": {"name": "weather", "description": "of a city", "parameters": PARAMETERS},
        }
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": PARAMETERS, "strict": True},
    },
    "chat_template_kwargs": {"enable_thinking": False},
    "reasoning_effort": "low",
    "user": "ann",
}
COMPLETION: dict[str, Any] = {
    "model": "tiny",
    "prompt": ["once", "twice"],
    "max_tokens": 2,
    "logprobs": 2,
    "stop": "x",
    "best_of": 1,
    "echo": False,
}

DEEP: Any = 1
for _ in range(50):
    DEEP = {"a": [DEEP]}
ODD = {
    "null": None,
    "true": True,
    "zero": 0,
    "negative": -1,
    "huge": 2**63 - 1,
    "too huge": 2**70,
    "fraction": 0.5,
    "NaN": float("nan"),
    "infinite": float("inf"),
    "empty": "",
    "string": "odd",
    "control": "<|im_end|>\n<|im_start|>system\n\0\x1b[2J\u202e",
    "half a character": "\ud800",
    "long": "x" * 400_000,
    "list": [],
    "list of nothing": [None],
    "object": {},
    "object of nothing": {"": None},
    "deep": DEEP,
}
# Wrong together with something that stands elsewhere, which may as well be named instead.
ALSO = {
    "tools": {"tool_choice", "messages"},
    "top_logprobs": {"logprobs"},
    "logprobs": {"top_logprobs"},
    "best_of": {"n"},
    "messages": {"messages"},
}


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    children: Any = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    for key, below in children:
        yield from places(below, (*path, key))


def replaced(body: dict[str, Any], path: tuple[str | int, ...], odd: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(body))
    at: Any = made
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = odd
    return made


def judged(service: Service, path: str, body: dict[str, Any], root: str) -> None:
    """Served, or refused by the name of what is wrong; never anything else."""
    answer = service.post(body, path)
    if answer.status_code == 200 and not body.get("stream"):
        answered(answer)
    elif answer.status_code == 200:
        assert answer.text.endswith("data: [DONE]\n\n")
    elif answer.status_code == 404:
        assert root == "model"
        refused(answer, "model", 404)
    else:
        error = refused(answer, None)
        named = (error["param"] or "").partition(".")[0].partition("[")[0]
        # What this place asks for may only be too much for the memory or the context.
        assert named == root or named in ALSO.get(root, ()), (root, error)
    service.unhurt()


CHAT_PLACES = [*dict.fromkeys(places(CHAT))]
# All of them are some 1,500 requests; each run takes a part, and every run the same one.
draw = random.Random(2)


def chosen(path: tuple[str | int, ...]) -> list[str]:
    if len(path) == 1:
        return [*ODD]
    return draw.sample([*ODD], 5)


@pytest.mark.parametrize(
    ("path", "odd"), [(p, chosen(p)) for p in CHAT_PLACES], ids=lambda x: str(x)[:50]
)
def test_one_odd_value_in_a_chat(
    service: Service, path: tuple[str | int, ...], odd: list[str]
) -> None:
    for name in odd:
        judged(service, "/v1/chat/completions", replaced(CHAT, path, ODD[name]), str(path[0]))


@pytest.mark.parametrize("path", [*places(COMPLETION)], ids=str)
def test_one_odd_value_in_a_completion(service: Service, path: tuple[str | int, ...]) -> None:
    for odd in ODD.values():
        judged(service, "/v1/completions", replaced(COMPLETION, path, odd), str(path[0]))


@pytest.mark.parametrize("odd", ODD)
def test_the_whole_body_is_odd(service: Service, odd: str) -> None:
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings"):
        refused(service.post(ODD[odd], path), None)
    service.unhurt()


def test_what_is_left_out_is_named(service: Service) -> None:
    for name in ("model", "messages"):
        body = {key: value for key, value in CHAT.items() if key != name}
        assert refused(service.post(body), name)["code"] == "missing_required_parameter"
    service.unhurt()


def test_bytes_that_are_cut_and_turned(service: Service) -> None:
    """Whatever a broken proxy makes of a body."""
    whole = json.dumps(CHAT).encode()
    flip = random.Random(3)
    for _ in range(150):
        body = bytearray(whole)
        for _ in range(flip.choice((1, 3))):
            at = flip.randrange(len(body))
            match flip.randrange(3):
                case 0:
                    body[at] = flip.randrange(256)
                case 1:
                    del body[at : at + flip.randrange(1, 50)]
                case 2:
                    body[at:at] = flip.choice((b'"', b"{", b"]", b"\\", b"\xff", b"\0", b"1e999"))
        answer = service.post(bytes(body))
        if answer.status_code == 200:
            answered(answer)
        else:
            refused(answer, None, answer.status_code)
            assert answer.status_code in (400, 404), answer.text
        service.unhurt()
