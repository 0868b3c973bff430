"""What a turn says, for any number of readers. Who comes later is told what was said before."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

Chunk = dict[str, Any]

# Pieces that follow each other are one for who comes later: a client draws each that it is given.
_PIECES = {
    "text-delta": "delta",
    "reasoning-delta": "delta",
    "tool-input-delta": "inputTextDelta",
}


class _Said:
    def __init__(self, chunk: Chunk) -> None:
        self._key = _PIECES.get(chunk["type"], "")
        self._frame = chunk
        self._pieces = [chunk[self._key]] if self._key else []

    def takes(self, chunk: Chunk) -> bool:
        key = self._key
        if not key or {**chunk, key: ""} != {**self._frame, key: ""}:
            return False
        self._pieces.append(chunk[key])
        return True

    def line(self) -> str:
        if self._key:
            return _line(json.dumps({**self._frame, self._key: "".join(self._pieces)}))
        return _line(json.dumps(self._frame))


@dataclass(eq=False)
class _Reader:
    lines: list[str]
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Broadcast:
    def __init__(self) -> None:
        self._said: list[_Said] = []
        self._end: list[str] = []
        self._readers: set[_Reader] = set()
        self._ended = False

    @property
    def read(self) -> bool:
        """Whether anybody reads it."""
        return bool(self._readers)

    def say(self, text: str, chunk: Chunk | None) -> None:
        """A part as it is sent; None for the end mark, which is no JSON."""
        if chunk is None:
            self._end.append(_line(text))
        elif not (self._said and self._said[-1].takes(chunk)):
            self._said.append(_Said(chunk))
        for reader in self._readers:
            reader.lines.append(_line(text))
            reader.news.set()

    def end(self) -> None:
        self._ended = True
        for reader in self._readers:
            reader.news.set()

    async def lines(self) -> AsyncIterator[str]:
        """To its end. What came while a reader was slow comes to it at once."""
        reader = _Reader([*(one.line() for one in self._said), *self._end])
        self._readers.add(reader)
        try:
            while True:
                if reader.lines:
                    ready, reader.lines = "".join(reader.lines), []
                    yield ready
                elif self._ended:
                    return
                else:
                    reader.news.clear()
                    await reader.news.wait()
        finally:
            self._readers.discard(reader)


def _line(text: str) -> str:
    return f"data: {text}\n\n"
