"""Formats whose calls are JSON, or a name followed by JSON."""

import json

from .cursor import Cursor, Reader, Reading
from .json_scan import NotACall

NAMES = ("name", "tool_name", "function")
ARGUMENTS = ("arguments", "parameters", "args", "input")
# What may stand before the name in an object that is a call.
BESIDE = ("type", "id", "tool_call_id", "index")


def arguments(cursor: Cursor) -> Reading[None]:
    """The arguments of the call that is open."""
    sink = cursor.sink
    first = yield from cursor.peek()
    if first == "{":
        yield from cursor.json_value(show=sink.arguments)
    elif first == '"':  # an object, encoded once more
        sink.arguments((yield from cursor.json_string()))
    elif first in "nN":  # none at all
        yield from cursor.json_value()
    else:
        raise NotACall


def _early_arguments(cursor: Cursor) -> Reading[str]:
    """Arguments that come before the name."""
    text = yield from cursor.json_value()
    value = json.loads(text)
    if isinstance(value, str):
        text, value = value, json.loads(value) if value[:1] == "{" else None
    if not isinstance(value, dict):
        raise NotACall
    return text


def call_object(cursor: Cursor) -> Reading[None]:
    """{"name": …, "arguments": {…}}, in either order."""
    yield from _members(cursor)
    if not cursor.sink.open:
        raise NotACall
    cursor.end()


def _members(cursor: Cursor) -> Reading[None]:
    sink, early = cursor.sink, ""
    yield from cursor.literal("{")
    while True:
        yield from cursor.blank()
        if (yield from cursor.one_of('"', "}")) == "}":
            return
        cursor.back('"')
        key = yield from cursor.json_string()
        yield from cursor.blank()
        yield from cursor.literal(":")
        yield from cursor.blank()
        value = yield from cursor.peek()
        if not sink.open and key in NAMES and value == '"':
            cursor.begin((yield from cursor.json_string()))
            sink.arguments(early)
        elif not sink.open and key == "function" and value == "{":
            yield from _members(cursor)
        elif key in ARGUMENTS and sink.open and not early:
            yield from arguments(cursor)
        elif key in ARGUMENTS and not early:
            early = yield from _early_arguments(cursor)
        elif sink.open or key in BESIDE:
            yield from cursor.json_value()
        else:
            raise NotACall
        yield from cursor.blank()
        if (yield from cursor.one_of(",", "}")) == "}":
            return


def objects(close: str) -> Reader:
    """One object, several, or a list of them, up to `close`, which may be missing."""

    def read(cursor: Cursor) -> Reading[None]:
        yield from cursor.blank()
        listed = (yield from cursor.one_of("{", "[")) == "["
        if not listed:
            cursor.back("{")
        while True:
            yield from cursor.blank()
            yield from call_object(cursor)
            yield from cursor.blank()
            after = yield from cursor.one_of(*filter(None, (",", ";", "{", "]", close)))
            if after == "{":
                cursor.back("{")
            if after == "]" and listed:
                cursor.claim()
                yield from cursor.blank()
                if not close:
                    return
                yield from cursor.literal(close)
            if after in ("]", close):
                return

    return read


def mistral(cursor: Cursor) -> Reading[None]:
    """[{…}, …], or NAME[ARGS]{…} again and again."""
    yield from cursor.blank()
    if (yield from cursor.peek()) in "[{":
        yield from objects("")(cursor)
        return
    while True:
        name, end = yield from cursor.until("[ARGS]", "[CALL_ID]", "{")
        if end == "{":
            cursor.back("{")
        cursor.begin(name.strip())
        if end == "[CALL_ID]":
            yield from cursor.until("[ARGS]")
        yield from cursor.blank()
        yield from arguments(cursor)
        cursor.end()
        yield from cursor.blank()
        yield from cursor.literal("[TOOL_CALLS]")


KIMI_END = "<|tool_calls_section_end|>"


def kimi(cursor: Cursor) -> Reading[None]:
    while True:
        yield from cursor.blank()
        if (yield from cursor.one_of("<|tool_call_begin|>", KIMI_END)) == KIMI_END:
            return
        head, _ = yield from cursor.until("<|tool_call_argument_begin|>")
        cursor.begin(head.strip().removeprefix("functions.").rsplit(":", 1)[0])
        yield from cursor.blank()
        yield from arguments(cursor)
        cursor.end()
        yield from cursor.blank()
        yield from cursor.literal("<|tool_call_end|>")
        cursor.claim()


DEEPSEEK_END = "<｜tool▁calls▁end｜>"


def deepseek(cursor: Cursor) -> Reading[None]:
    while True:
        yield from cursor.blank()
        if (yield from cursor.one_of("<｜tool▁call▁begin｜>", DEEPSEEK_END)) == DEEPSEEK_END:
            return
        name, _ = yield from cursor.until("<｜tool▁sep｜>")
        fenced = name.strip() == "function"
        if fenced:
            name, _ = yield from cursor.until("\n")
        cursor.begin(name.strip())
        yield from cursor.blank()
        if fenced:
            yield from cursor.literal("```json")
            yield from cursor.blank()
        yield from arguments(cursor)
        cursor.end()
        yield from cursor.blank()
        if fenced:
            yield from cursor.literal("```")
            yield from cursor.blank()
        yield from cursor.literal("<｜tool▁call▁end｜>")
        cursor.claim()
