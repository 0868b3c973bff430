"""What clients sent, in the shape that chat templates expect it in.

Templates differ in what they know of: many drop a role without a word, or leave calls out. What a
template does not know is told in a way that every one knows, or the model would answer without
having been told.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from mlxd import wire

from .calls import Envelope, format_of

# Of the arguments of an earlier call: more than any tool's schema has.
MAX_DEPTH = 100

# Mistral's templates refuse ids of any other length, and so the ones that other models were given.
_NINE = re.compile(r"length\s*!=\s*9\b")
_FIRST_ID = 9


_TOOL, _ARGUMENT, _RESULT = "look_it_up", "an-argument-of-mine", "a-result-of-mine"
# A conversation that shows what a template tells of it.
PROBE = wire.Chat(
    [
        wire.Message("user", [wire.TextPart("?")]),
        wire.Message(
            "assistant",
            [],
            tool_calls=[wire.ToolCall("call00000", _TOOL, json.dumps({"word": _ARGUMENT}))],
        ),
        wire.Message("tool", [wire.TextPart(_RESULT)], name=_TOOL, tool_call_id="call00000"),
    ]
)


class InvalidChat(ValueError):
    """The model's template can't render what the client sent."""

    def __init__(self, message: str, param: str = "messages") -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True)
class Shape:
    """What one template knows of."""

    short_ids: bool
    envelope: Envelope
    results: bool = True
    calls: bool = True
    # Some templates join arguments to text, most write them as JSON themselves.
    arguments_as_text: bool = False
    # Some go through the tools without looking whether there are any.
    empty_tools: bool = False
    # Some refuse several calls in one message, which their models make all the same.
    one_call_a_turn: bool = False

    @classmethod
    def of(cls, source: str) -> "Shape":
        return cls(bool(_NINE.search(source)), format_of(source).envelope)

    def seen_in(self, rendered: str) -> "Shape":
        """The same, with what the template left out of `PROBE`."""
        return replace(self, results=_RESULT in rendered, calls=_ARGUMENT in rendered)

    def others(self, chat: wire.Chat) -> "Iterator[Shape]":
        """What to try where a template can't render this one."""
        if not chat.tools:
            yield replace(self, empty_tools=True)
        if any(m.tool_calls for m in chat.messages):
            yield replace(self, arguments_as_text=True)
        if any(len(m.tool_calls) > 1 for m in chat.messages):
            yield replace(self, one_call_a_turn=True)

    def messages(self, messages: list[wire.Message]) -> list[dict[str, Any]]:
        shown = _one_call_a_turn(messages) if self.one_call_a_turn else messages
        return [self._message(message, place) for place, message in enumerate(shown)]

    def _message(self, message: wire.Message, place: int) -> dict[str, Any]:
        shown: dict[str, Any] = {"role": self._role(message), "content": _content(message.content)}
        if message.name is not None:
            shown["name"] = message.name
        if message.reasoning is not None:
            # Templates read it under either name.
            shown["reasoning_content"] = shown["thinking"] = message.reasoning
        if message.tool_call_id is not None:
            shown["tool_call_id"] = self._id(message.tool_call_id)
        if message.tool_calls:
            self._show_calls(shown, message.tool_calls, f"messages.{place}.tool_calls")
        return shown

    def _role(self, message: wire.Message) -> str:
        return "user" if message.role == "tool" and not self.results else message.role

    def _id(self, given: str) -> str:
        if not self.short_ids or (len(given) == _FIRST_ID and given.isalnum()):
            return given
        return hashlib.blake2b(given.encode("utf-8", "replace")).hexdigest()[:_FIRST_ID]

    def _show_calls(self, shown: dict[str, Any], calls: list[wire.ToolCall], where: str) -> None:
        read = [_arguments(c, f"{where}.{i}.function.arguments") for i, c in enumerate(calls)]
        if not self.calls and isinstance(shown["content"], str):
            shown["content"] += self._spelt(calls, read)
        shown["tool_calls"] = [
            {
                "id": self._id(call.id),
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": _json(arguments) if self.arguments_as_text else arguments,
                },
            }
            for call, arguments in zip(calls, read, strict=True)
        ]

    def _spelt(self, calls: list[wire.ToolCall], read: list[dict[str, Any]]) -> str:
        e = self.envelope
        one = [
            e.head + call.name + e.middle + _json(arguments) + e.tail
            for call, arguments in zip(calls, read, strict=True)
        ]
        return e.first + e.between.join(one) + e.last


def _one_call_a_turn(messages: list[wire.Message]) -> list[wire.Message]:
    """Each call in a message of its own, with its result behind it."""
    told: list[wire.Message] = []
    waiting: list[wire.ToolCall] = []
    for message in messages:
        turn = [message]
        if message.role == "tool":
            mine = [call for call in waiting if call.id == message.tool_call_id]
            turn = [_calling(mine[:1]), message] if mine else turn
            waiting = [call for call in waiting if call not in mine]
        elif len(message.tool_calls) > 1:
            first, *waiting = message.tool_calls
            turn = [msgspec.structs.replace(message, tool_calls=[first])]
        told += turn
    return told


def _calling(calls: list[wire.ToolCall]) -> wire.Message:
    return wire.Message("assistant", [], tool_calls=calls)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _content(parts: list[wire.Part]) -> str | list[dict[str, str]]:
    if all(isinstance(part, wire.TextPart) for part in parts):
        return "".join(part.text for part in parts if isinstance(part, wire.TextPart))
    return [
        {"type": "text", "text": part.text}
        if isinstance(part, wire.TextPart)
        else {"type": "image"}
        for part in parts
    ]


def _arguments(call: wire.ToolCall, where: str) -> dict[str, Any]:
    told = f"The arguments of the call of {call.name!r}"
    try:
        arguments = json.loads(call.arguments or "{}")
        # An escape in it can be half a character, which no tokenizer takes.
        json.dumps(arguments, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise InvalidChat(f"{told} have half a surrogate pair in a string", where) from error
    except ValueError as error:
        raise InvalidChat(f"{told} are not valid JSON: {error}", where) from error
    except RecursionError as error:
        raise InvalidChat(f"{told} are nested too deep", where) from error
    if not isinstance(arguments, dict):
        raise InvalidChat(f"{told} must be an object", where)
    if _deeper(arguments, MAX_DEPTH):
        raise InvalidChat(f"{told} are nested deeper than {MAX_DEPTH} levels", where)
    return arguments


def _deeper(value: Any, levels: int) -> bool:
    """What comes after walks values recursively, this must not."""
    level = [value]
    for _ in range(levels):
        level = [
            below
            for one in level
            for below in (one.values() if isinstance(one, dict) else one)
            if isinstance(below, dict | list)
        ]
        if not level:
            return False
    return True


def tool(tool: wire.Tool) -> dict[str, Any]:
    parameters = tool.parameters or {"type": "object", "properties": {}}
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": parameters,
        },
    }
