"""Reading a call while it is being written.

A reader is a generator over a Cursor: it reads as if all the text were there, and is suspended
where the text ends so far. Text is claimed by a call once the call's name is known to be a tool's;
what no call has claimed goes back to the content.
"""

import json
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

from mlxd import wire

from ..triggers import Scan, Triggers
from .json_scan import JsonScan, NotACall

T = TypeVar("T")
Reading = Generator[None, None, T]

_BLANK = re.compile(r"\s*")
# A name, or what might become one, is decided within this much text.
MAX_UNDECIDED = 16_384


class Cut(Exception):
    """The reply ended here."""


class Sink:
    """Takes the calls that a reader finds."""

    def __init__(self, tools: dict[str, wire.Tool], index: int, most: int | None) -> None:
        self.tools = tools
        self.index = index
        self._most = most
        self.open = self.used = False
        self._sent = False
        self.deltas: list[wire.CallDelta] = []

    def begin(self, name: str) -> wire.Tool:
        if name not in self.tools or self.index == self._most:
            raise NotACall
        self.open, self.used, self._sent = True, True, False
        self.deltas.append(wire.CallDelta(self.index, name))
        return self.tools[name]

    def arguments(self, text: str) -> None:
        if text:
            self._sent = True
            self.deltas.append(wire.CallDelta(self.index, arguments=text))

    def end(self) -> None:
        if not self._sent:
            self.arguments("{}")
        self.open = False
        self.index += 1


class Cursor:
    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.text = ""
        self.at = 0
        self.ended = self.whole = False
        self.patience = MAX_UNDECIDED

    def more(self) -> Reading[None]:
        if self.ended:
            raise Cut
        if not self.sink.open and self.at > self.patience:
            raise NotACall
        yield

    def claim(self) -> None:
        """What was read so far belongs to a call and is not needed again."""
        self.text, self.at = self.text[self.at :], 0

    def begin(self, name: str) -> wire.Tool:
        tool = self.sink.begin(name)
        self.claim()
        return tool

    def end(self) -> None:
        self.sink.end()
        self.claim()

    def peek(self) -> Reading[str]:
        while self.at >= len(self.text):
            yield from self.more()
        return self.text[self.at]

    def blank(self) -> Reading[None]:
        while True:
            match = _BLANK.match(self.text, self.at)
            assert match is not None  # the pattern matches nothing, too
            self.at = match.end()
            if self.at < len(self.text):
                return
            yield from self.more()

    def literal(self, expected: str) -> Reading[None]:
        yield from self.one_of(expected)

    def one_of(self, *options: str) -> Reading[str]:
        """The option that comes next; none of them may begin another."""
        longest = max(map(len, options))
        while True:
            have = self.text[self.at : self.at + longest]
            for option in options:
                if have.startswith(option):
                    self.at += len(option)
                    return option
            if not any(option.startswith(have) for option in options):
                raise NotACall
            yield from self.more()

    def until(
        self, *ends: str, show: Callable[[str], None] | None = None
    ) -> Reading[tuple[str, str]]:
        """The text before the first of `ends`, and that end. With `show`, the text goes there as
        it comes, and is not returned."""
        scan = Scan(Triggers(ends))
        parts: list[str] = []
        take = show or parts.append
        while True:
            free, end, rest = scan.feed(self.text[self.at :])
            self.at = len(self.text) - len(rest)
            if free:
                take(free)
            if end is not None:
                return "".join(parts), end
            if self.sink.open:
                self.claim()
            if self.ended:
                take(scan.flush())
            yield from self.more()

    def json_value(self, show: Callable[[str], None] | None = None) -> Reading[str]:
        scan = JsonScan()
        parts: list[str] = []
        take = show or parts.append
        while True:
            free, self.at = scan.feed(self.text, self.at)
            if free:
                take(free)
            if self.sink.open:
                self.claim()
            if scan.broken:
                raise NotACall
            if scan.done:
                return "".join(parts)
            yield from self.more()

    def json_string(self) -> Reading[str]:
        if (yield from self.peek()) != '"':
            raise NotACall
        return str(json.loads((yield from self.json_value())))

    def back(self, text: str) -> None:
        """Unread what was just read."""
        self.at -= len(text)


Reader = Callable[[Cursor], Reading[None]]


def _verbatim(cursor: Cursor, close: str) -> Reading[None]:
    yield from cursor.until(*([close] if close else []), show=cursor.sink.arguments)
    cursor.end()


@dataclass(frozen=True)
class Opening:
    """What a marker begins, and what ends that. `first`: the marker belongs to the call's own
    text, and counts only where nothing else has been said."""

    read: Reader
    close: str = ""
    first: bool = False


class Section:
    """One stretch of a reply that a call's marker opened."""

    def __init__(self, opening: Opening, marker: str, sink: Sink) -> None:
        self.marker = marker
        self.sink = sink
        self.cut = False
        self.opening = opening
        self._cursor = Cursor(self.sink)
        self._cursor.text = marker
        self._cursor.at = 0 if opening.first else len(marker)
        self._reading = opening.read(self._cursor)

    def feed(self, text: str) -> str | None:
        """None while it goes on; otherwise the text that was not part of any call."""
        self._cursor.text += text
        return self._advance()

    def finish(self, *, whole: bool) -> str:
        """`whole`: the model ended the reply itself, it was not cut off."""
        self._cursor.ended, self._cursor.whole = True, whole
        return self._advance() or ""

    def _advance(self) -> str | None:
        cursor = self._cursor
        try:
            next(self._reading)
        except StopIteration:
            cursor.claim()
        except NotACall:
            if self.sink.open:
                # The client has seen the beginning, so it shall see what is wrong with the rest.
                cursor.claim()
                self._reading = _verbatim(cursor, self.opening.close)
                return self._advance()
        except Cut:
            # Of a call whose name did not come nothing can be shown.
            self.cut = not cursor.whole
            if self.sink.open:
                return ""
        else:
            return None
        return cursor.text
