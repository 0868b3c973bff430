"""Formats that are read once they are whole: their arguments are written in no JSON."""

import ast
from collections.abc import Callable
from typing import Any

from .cursor import Cursor, Reader, Reading
from .json_calls import objects
from .json_scan import MAX_DEPTH, NotACall
from .tagged import dump, typed

_SCALARS = frozenset({"integer", "number", "boolean", "null"})

Parsed = list[tuple[str, dict[str, Any]]]
# What reading a text that is no call may end in; MemoryError is how Python's parser says that a
# text is nested too deeply.
UNREADABLE = (
    ValueError, SyntaxError, IndexError, KeyError, TypeError, RecursionError, MemoryError,
)  # fmt: skip
# A call that is written in one piece has fewer characters than this, or is none.
MAX_CALL = 100_000


def whole(close: str, parse: Callable[[str], Parsed]) -> Reader:
    def read(cursor: Cursor) -> Reading[None]:
        if (yield from cursor.peek()) == "{":
            yield from objects(close)(cursor)
            return
        cursor.patience = MAX_CALL
        text, _ = yield from cursor.until(close)
        try:
            found = [(name, dump(arguments)) for name, arguments in parse(text)]
        except UNREADABLE as error:
            raise NotACall from error
        if not found or any(name not in cursor.sink.tools for name, _ in found):
            raise NotACall
        for name, arguments in found:
            cursor.begin(name)
            cursor.sink.arguments(arguments)
            cursor.end()

    return read


class _JsonWords(ast.NodeTransformer):
    """true, false and null among Python's literals."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant({"true": True, "false": False, "null": None}[node.id])


def pythonic(text: str) -> Parsed:
    """[name(key="value", other=[1, 2]), …]"""
    tree = ast.parse(text.strip(), mode="eval").body
    found: Parsed = []
    for call in tree.elts if isinstance(tree, ast.List) else [tree]:
        if not isinstance(call, ast.Call) or call.args:
            raise ValueError("not a call with named arguments")
        arguments = {
            keyword.arg: ast.literal_eval(_JsonWords().visit(keyword.value))
            for keyword in call.keywords
            if keyword.arg
        }
        found.append((ast.unparse(call.func), arguments))
    return found


class _Braces:
    """{key:value,…} with bare keys, and strings between `quote`s."""

    def __init__(self, text: str, quote: str) -> None:
        self._text, self._quote, self._at = text, quote, 0

    def _take(self, wanted: str) -> bool:
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1
        if self._text.startswith(wanted, self._at):
            self._at += len(wanted)
            return True
        return False

    def _expect(self, wanted: str) -> None:
        if not self._take(wanted):
            raise ValueError(f"{wanted!r} is missing")

    def _bare(self, ends: str) -> str:
        start = self._at
        while self._text[self._at] not in ends:
            self._at += 1
        if start == self._at:
            raise ValueError("a value is missing")
        return self._text[start : self._at].strip()

    def _string(self) -> str:
        end = self._text.index(self._quote, self._at)
        text, self._at = self._text[self._at : end], end + len(self._quote)
        return text

    def value(self, depth: int = 0) -> Any:
        if depth > MAX_DEPTH:
            raise ValueError("too deep")
        if self._take(self._quote):
            return self._string()
        if self._take("{"):
            return self._members(depth)
        if self._take("["):
            items: list[Any] = []
            while not self._take("]"):
                items.append(self.value(depth + 1))
                self._separate("]")
            return items
        return typed(self._bare(",}]"), _SCALARS)

    def _members(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not self._take("}"):
            key = self._string() if self._take(self._quote) else self._bare(":")
            self._expect(":")
            found[key] = self.value(depth + 1)
            self._separate("}")
        return found

    def _separate(self, end: str) -> None:
        if not self._take(",") and not self._text.startswith(end, self._at):
            raise ValueError(f"neither a comma nor {end!r} follows")

    def call(self) -> tuple[str, dict[str, Any]]:
        self._expect("call:")
        name = self._bare("{")
        self._expect("{")
        return name, self._members(0)

    @property
    def done(self) -> bool:
        return not self._text[self._at :].strip()


def braces(quote: str) -> Callable[[str], Parsed]:
    def parse(text: str) -> Parsed:
        reading = _Braces(text, quote)
        found = [reading.call()]
        while not reading.done:
            found.append(reading.call())
        return found

    return parse
