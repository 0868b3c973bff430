"""What became of a request, judged strictly: it has exactly one end, or it is broken."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from mlxd.bench.http import Reply

# Of two logprobs that are the same but for the order in which the sums were made.
NEAR = 1e-3
Kind = Literal["answered", "refused", "broken"]


@dataclass
class Choice:
    text: str = ""
    reasoning: str = ""
    calls: dict[int, list[str]] = field(default_factory=dict)
    logprobs: list[Any] = field(default_factory=list)
    finish: str | None = None

    @property
    def length(self) -> int:
        """Of all that a client is told, in characters."""
        calls = sum(len(part) for call in self.calls.values() for part in call)
        return len(self.text) + len(self.reasoning) + calls


@dataclass
class Outcome:
    """`told`: the error's message, or what is broken."""

    kind: Kind
    status: int = 0
    told: str = ""
    choices: list[Choice] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.choices[0].text if self.choices else ""

    def said(self) -> list[Any]:
        """All that a client has of it in the end. How it came in pieces is no part of that, nor
        how much of the prompt was found in a cache. A token's logprob is computed in a prompt as it
        is in a step but for rounding."""
        return [
            [self.usage.get(f"{name}_tokens") for name in ("prompt", "completion")],
            *(
                [one.text, one.reasoning, one.calls, one.finish, [*map(_measured, one.logprobs)]]
                for one in self.choices
            ),
        ]


def _measured(token: dict[str, Any]) -> list[Any]:
    return [token["token"], pytest.approx(token["logprob"], abs=NEAR), len(token["top_logprobs"])]


class _Broken(Exception):
    pass


def judge(reply: Reply, stream: bool) -> Outcome:
    try:
        if reply.fault is not None:
            raise _Broken(reply.fault)
        if reply.status != 200:
            error = json.loads(reply.body)["error"]
            return Outcome("refused", reply.status, error["message"])
        return _streamed(reply) if stream else _whole(reply)
    except (_Broken, ValueError, KeyError) as error:
        return Outcome("broken", reply.status, f"{error!r} in {reply.body[-600:]!r}")


def _whole(reply: Reply) -> Outcome:
    body = json.loads(reply.body)
    made = Outcome("answered", 200, usage=body["usage"])
    for one in body["choices"]:
        choice = Choice()
        add(choice, one["message"], one)
        made.choices.append(choice)
    _check_finishes(made)
    return made


def _streamed(reply: Reply) -> Outcome:
    body = reply.body.decode()
    if not body.endswith("\n\n"):
        raise _Broken("the stream ends in the middle of an event")
    events = body.split("\n\n")[:-1]
    made = Outcome("answered", 200)
    made.comments = [event for event in events if event.startswith(":")]
    data = [event.removeprefix("data: ") for event in events if not event.startswith(":")]
    if data.count("[DONE]") != 1 or data[-1] != "[DONE]":
        raise _Broken(f"{data.count('[DONE]')} times [DONE]")
    choices: dict[int, Choice] = {}
    for text in data[:-1]:
        if made.kind == "refused":
            raise _Broken("something follows an error")
        chunk = json.loads(text)
        if "error" in chunk:
            made.kind, made.told = "refused", chunk["error"]["message"]
            continue
        made.usage = chunk.get("usage") or made.usage
        for one in chunk["choices"]:
            choice = choices.setdefault(one["index"], Choice())
            if choice.finish is not None:
                raise _Broken("something follows a finish_reason")
            add(choice, one["delta"], one)
    made.choices = [choices[index] for index in sorted(choices)]
    if made.kind == "answered":
        _check_finishes(made)
    return made


def add(choice: Choice, message: dict[str, Any], around: dict[str, Any]) -> None:
    choice.text += message.get("content") or ""
    choice.reasoning += message.get("reasoning_content") or ""
    for place, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        known = choice.calls.setdefault(call.get("index", place), ["", ""])
        known[0] += function.get("name") or ""
        known[1] += function.get("arguments") or ""
    choice.logprobs += ((around.get("logprobs") or {}).get("content")) or []
    choice.finish = around["finish_reason"]


def _check_finishes(made: Outcome) -> None:
    if not made.choices or any(choice.finish is None for choice in made.choices):
        raise _Broken("an answer without a finish_reason")
