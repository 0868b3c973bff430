"""Server-sent events: frames that go out together, and comments while there is nothing to say."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from .asgi import Headers, Send
from .errors import ApiError

HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # nginx would otherwise hold the stream back until its buffer is full.
    (b"x-accel-buffering", b"no"),
]
# A client that reads nothing for so long, while there is something to read, is given up.
STALLED_SECONDS = 60.0
DONE = b"data: [DONE]\n\n"

_encoder = msgspec.json.Encoder()


def frames(chunks: Iterable[Any]) -> bytes:
    made = bytearray()
    for chunk in chunks:
        made += b"data: "
        _encoder.encode_into(chunk, made, -1)
        made += b"\n\n"
    return bytes(made)


def error_frame(error: ApiError) -> bytes:
    return b"data: " + error.body() + b"\n\n"


class EventStream:
    """The response's head goes out with the first write, so that what fails before it can still
    be a status. While nothing is written, a comment every `interval` seconds keeps proxies and
    clients patient; `note` says what it is waiting for."""

    def __init__(
        self,
        send: Send,
        headers: Headers,
        interval: float,
        note: Callable[[], str],
        abort: Callable[[], None] | None = None,
    ) -> None:
        self.started = False
        self._send = send
        self._headers = HEADERS + headers
        self._interval = interval
        self._note = note
        self._abort = abort
        self._loop = asyncio.get_running_loop()
        self._wrote_at = self._loop.time()
        self._writing = False
        self._comment: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(interval, self._tick)

    def _tick(self) -> None:
        idle = self._loop.time() - self._wrote_at
        if self._writing and idle > STALLED_SECONDS and self._abort is not None:
            self._abort()
        if self._writing or idle < self._interval:
            pause = self._interval - idle if idle < self._interval else self._interval
        else:
            pause = self._interval
            comment = ": " + self._note().replace("\n", " ").replace("\r", " ") + "\n\n"
            self._comment = self._loop.create_task(self._write(comment.encode()))
        self._timer = self._loop.call_later(pause, self._tick)

    async def write(self, data: bytes) -> None:
        if self._comment is not None:
            comment, self._comment = self._comment, None
            await comment
        await self._write(data)

    async def _write(self, data: bytes, *, more: bool = True) -> None:
        self._writing = True
        self._wrote_at = self._loop.time()
        if not self.started:
            self.started = True
            head = {"type": "http.response.start", "status": 200, "headers": self._headers}
            await self._send(head)
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
        self._wrote_at = self._loop.time()
        self._writing = False

    async def done(self, data: bytes = b"") -> None:
        """The last write."""
        self._timer.cancel()
        if self._comment is not None:
            await self._comment
        await self._write(data + DONE, more=False)

    def abandon(self) -> None:
        """Nothing more will be written."""
        self._timer.cancel()
        if self._comment is not None:
            self._comment.cancel()
