"""A client that has said all and closed its own direction: it may listen still, or be gone.

Both look alike from here. The difference shows when something is written, for what nobody listens
to is refused by the other machine. So the next byte of the answer goes out early, one with which it
goes on whatever it will be, and the socket is asked whether it was refused.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

# Every answer begins with these.
HEAD = b"HTTP/1.1 "
# A chunk's length may have zeros before it, that of the last chunk too.
ZERO = b"0"
# The refusal comes after a round trip: at once on this machine, a fraction of a second elsewhere.
# Nothing announces it, because the socket is not read any more.
FIRST_LOOK = 0.005
# From one early byte to the next; doubled each time, so that they last for some ten minutes.
FIRST_ROUND = 1.0


class _Begun:
    """The transport of an answer of which some bytes are sent already."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._sent = 0

    def write_early(self) -> None:
        if self._sent < len(HEAD):
            self._transport.write(HEAD[self._sent : self._sent + 1])
            self._sent += 1

    def write(self, data: bytes) -> None:
        self._transport.write(data[self._sent :])
        self._sent = 0

    def close(self) -> None:
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class Watch:
    """Aborts the connection when it turns out that nobody listens. `answering`: which request is
    being answered."""

    def __init__(
        self, transport: asyncio.Transport, answering: Callable[[], RequestResponseCycle]
    ) -> None:
        self._transport = transport
        self._answering = answering
        self._loop = asyncio.get_running_loop()
        self._round = FIRST_ROUND
        self._probe()

    def stop(self) -> None:
        self._timer.cancel()

    def _probe(self) -> None:
        cycle: Any = self._answering()
        if not cycle.response_started:
            cycle.waiting_for_100_continue = False
            if not isinstance(cycle.transport, _Begun):
                cycle.transport = _Begun(self._transport)
            cycle.transport.write_early()
        elif cycle.chunked_encoding and not cycle.response_complete:
            self._transport.write(ZERO)
        self._look_again(FIRST_LOOK)

    def _look_again(self, pause: float) -> None:
        self._timer = self._loop.call_later(pause, self._look, pause)

    def _look(self, paused: float) -> None:
        if self._transport.is_closing():
            return
        connection: Any = self._transport.get_extra_info("socket")
        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._transport.abort()
        elif paused < self._round:
            self._look_again(paused * 2)
        else:
            self._round *= 2
            self._probe()
