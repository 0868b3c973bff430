"""What passes through: streams in whole events, secrets in neither direction, and what the bytes
tell of themselves on the way."""

import re
from collections.abc import Iterable

# An event longer than this is handed on in pieces: nobody's memory is for holding it.
LONGEST_EVENT = 4 * 1024 * 1024
# Usage and the finish stand at an answer's end; this much of it is looked at.
TAIL_BYTES = 16 * 1024

_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"')
_NUMBERS = {
    "prompt": re.compile(rb'"(?:prompt|input)_tokens"\s*:\s*(\d{1,18})'),
    "cached": re.compile(rb'"cached_tokens"\s*:\s*(\d{1,18})'),
    "completion": re.compile(rb'"(?:completion|output)_tokens"\s*:\s*(\d{1,18})'),
}
# Headers of an answer that mean something to our client too. Never cookies, never what belongs to
# the connection.
_KEPT = frozenset(
    (b"content-type", b"content-encoding", b"retry-after", b"x-request-id", b"cache-control")
)
_KEPT_BEGINNINGS = (b"x-ratelimit-", b"openai-", b"x-mlxd-")


class Events:
    """Hands on what ends an event and holds the rest, so that a stream that breaks off in the
    middle of one can still be ended by an event that a client can read."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> bytes:
        # Of what was held already only the end can be the beginning of an end.
        start = max(0, len(self._held) - 3)
        self._held += data
        end = max(_behind(self._held, mark, start) for mark in _ENDS)
        if len(self._held) - end > LONGEST_EVENT:
            end = len(self._held)
        made = bytes(self._held[:end])
        del self._held[:end]
        return made

    def rest(self) -> bytes:
        made, self._held = bytes(self._held), bytearray()
        return made


def _behind(held: bytearray, mark: bytes, start: int) -> int:
    found = held.rfind(mark, start)
    return 0 if found < 0 else found + len(mark)


class Tail:
    """The end of an answer."""

    def __init__(self) -> None:
        self._end = b""
        self.finished = False

    def feed(self, data: bytes) -> None:
        # A mark may lie across two pieces.
        seen = self._end[-64:] + data
        self.finished = self.finished or b"[DONE]" in seen or _FINISH.search(seen) is not None
        self._end = (self._end + data)[-TAIL_BYTES:]

    def usage(self) -> dict[str, int]:
        """Tokens as the server counted them, where it says so. Text that a model wrote has its
        quotation marks escaped and is not taken for it."""
        found = {name: mark.findall(self._end) for name, mark in _NUMBERS.items()}
        return {name: int(all_of[-1]) for name, all_of in found.items() if all_of}


def kept(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [
        (name.lower(), value)
        for name, value in headers
        if name.lower() in _KEPT or name.lower().startswith(_KEPT_BEGINNINGS)
    ]


def without(secret: str | None, text: str) -> str:
    return text.replace(secret, "(key)") if secret else text
