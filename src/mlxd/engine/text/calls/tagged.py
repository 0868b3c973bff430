"""Formats that put each argument between tags, as bare text."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from mlxd import wire

from .cursor import Cursor, Cut, Reader, Reading
from .json_calls import objects
from .json_scan import NotACall

_QUOTED_NAME = re.compile(r"""name\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array",
          dict: "object", type(None): "null"}  # fmt: skip


def kinds(schema: Any) -> frozenset[str]:
    """The JSON types that a schema allows, none where it does not say."""
    if not isinstance(schema, dict):
        return frozenset()
    found: set[str] = set()
    declared = schema.get("type")
    found.update(declared if isinstance(declared, list) else [declared] if declared else [])
    if not found:
        found.update(_KINDS[type(value)] for value in schema.get("enum", ()))
    for word in ("anyOf", "oneOf"):
        for option in schema.get(word, ()):
            found |= kinds(option)
    return frozenset(kind for kind in found if isinstance(kind, str))


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def typed(text: str, allowed: frozenset[str]) -> Any:
    """What a bare text means where these types are allowed; itself when it means none of them."""
    stripped = text.strip()
    words = {"True": "true", "False": "false", "None": "null"}
    try:
        value = json.loads(words.get(stripped, stripped), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, float) and not math.isfinite(value):
        return text
    kind = _KINDS[type(value)]
    if kind in allowed or (kind == "integer" and "number" in allowed):
        return value
    if kind == "number" and "integer" in allowed and value.is_integer():
        return int(value)
    return value if not allowed and kind in ("object", "array") else text


def dump(value: Any) -> str:
    """JSON text; a ValueError or TypeError where JSON has no words for the value."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair can only be sent escaped
        return json.dumps(value, allow_nan=False)
    return text


@dataclass(frozen=True)
class Tags:
    """`call` NAME `call_end` (`key` KEY `key_end` VALUE `value_end`)* `close`."""

    call: str
    call_end: str
    key: str
    key_end: str
    value_end: str
    close: str
    section_end: str = ""
    lines: bool = False  # a value stands on lines of its own


class _StringValue:
    """Sends a string as it comes, without the line break at either end."""

    def __init__(self, cursor: Cursor, lines: bool) -> None:
        self._cursor, self._lines = cursor, lines
        self._begun = False
        self._held = ""
        cursor.sink.arguments('"')

    def show(self, text: str) -> None:
        if self._lines:
            if not self._begun:
                text = text.removeprefix("\n")
            text = self._held + text
            self._held = "\n" if text.endswith("\n") else ""
            text = text.removesuffix("\n")
        self._begun = True
        self._cursor.sink.arguments(dump(text)[1:-1])


def _value(cursor: Cursor, tags: Tags, allowed: frozenset[str]) -> Reading[None]:
    if allowed == {"string"}:
        yield from cursor.until(tags.value_end, show=_StringValue(cursor, tags.lines).show)
        cursor.sink.arguments('"')
        return
    text, _ = yield from cursor.until(tags.value_end)
    if tags.lines:
        text = text.removeprefix("\n").removesuffix("\n")
    cursor.sink.arguments(dump(typed(text, allowed)))


def _bare(head: str) -> str:
    match = _QUOTED_NAME.search(head)
    return (match[1] or match[2] or "") if match else head.strip().strip("\"'")


def _key(cursor: Cursor, tags: Tags, glue: str) -> Reading[str | None]:
    """What names the next argument, None after the last. Here the call is whole enough to be
    made, even when its end is missing."""
    try:
        yield from cursor.blank()
        if (yield from cursor.one_of(tags.key, tags.close)) == tags.close:
            _close(cursor, glue)
            return None
    except NotACall:
        _close(cursor, glue)
        raise
    except Cut:
        if cursor.whole:
            _close(cursor, glue)
        raise
    head, _ = yield from cursor.until(tags.key_end)
    return head


def _close(cursor: Cursor, glue: str) -> None:
    cursor.sink.arguments("{}" if glue == "{" else "}")
    cursor.end()


def _arguments(cursor: Cursor, tool: wire.Tool, tags: Tags) -> Reading[None]:
    properties = tool.parameters.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    glue = "{"
    while (head := (yield from _key(cursor, tags, glue))) is not None:
        key = _bare(head)
        if tags.key_end.startswith("</"):  # the value has an opening tag of its own
            yield from cursor.blank()
            yield from cursor.literal(tags.value_end.replace("</", "<"))
        allowed = kinds(properties.get(key))
        if 'string="true"' in head:
            allowed = frozenset({"string"})
        cursor.sink.arguments(f"{glue}{dump(key)}: ")
        glue = ", "
        yield from _value(cursor, tags, allowed)


def calls(tags: Tags, *, opened: bool = False) -> Reader:
    """Calls in tags; `opened` when the marker was already the beginning of a call."""

    def read(cursor: Cursor) -> Reading[None]:
        begun = opened
        if not begun and tags.section_end:
            yield from cursor.blank()
            if (yield from cursor.peek()) in "{[":
                yield from objects(tags.section_end)(cursor)
                return
        while True:
            if not begun:
                yield from cursor.blank()
                wanted = filter(None, (tags.call, tags.section_end))
                if (yield from cursor.one_of(*wanted)) != tags.call:
                    return
            name, _ = yield from cursor.until(tags.call_end)
            tool = cursor.begin(_bare(name))
            yield from _arguments(cursor, tool, tags)
            begun = False

    return read


def _keyed(cursor: Cursor, tags: Tags) -> Reading[None]:
    """NAME, then keys and values, with the marker itself around the whole."""
    name, end = yield from cursor.until(tags.key, tags.close)
    cursor.back(end)
    tool = cursor.begin(name.strip())
    yield from _arguments(cursor, tool, tags)


QWEN = Tags(
    "<function=", ">", "<parameter=", ">", "</parameter>", "</function>", "</tool_call>", True
)


def _glm(prefix: str) -> Tags:
    return Tags("", "", f"<{prefix}arg_key>", f"</{prefix}arg_key>", f"</{prefix}arg_value>",
                f"</{prefix}tool_call>")  # fmt: skip


def tool_call(prefix: str = "") -> Reader:
    """The marker <tool_call> is shared by JSON, by tags, and by keys and values: the text tells."""
    tags, close = _glm(prefix), f"</{prefix}tool_call>"

    def read(cursor: Cursor) -> Reading[None]:
        yield from cursor.blank()
        first = yield from cursor.peek()
        if first in "{[":
            yield from objects(close)(cursor)
        elif first == "<":
            yield from calls(QWEN)(cursor)
        else:
            yield from _keyed(cursor, tags)

    return read


def invoke(namespace: str, section: str) -> Tags:
    """<invoke name="NAME"><parameter name="KEY">VALUE</parameter></invoke>, in a namespace."""
    return Tags(f"<{namespace}invoke", ">", f"<{namespace}parameter", ">",
                f"</{namespace}parameter>", f"</{namespace}invoke>", section)  # fmt: skip


MINICPM = Tags("<function name=", ">", "<param name=", ">", "</param>", "</function>")
