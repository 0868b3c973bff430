"""uvicorn's HTTP protocol, with limits on a request's head and errors in the API's envelope."""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from .asgi import App, Message, Receive, Scope, Send
from .errors import ApiError
from .half_closed import Watch

# Several times what proxies allow; no client of this API comes near.
MAX_HEAD_BYTES = 64 * 1024
# Requests that wait on one connection, read and understood, behind the one that is being answered.
# What comes after them waits as it came, and for more than HELD_BYTES of that the client waits.
MAX_PIPELINED = 16
HELD_BYTES = 1024 * 1024
# The parser can't be stopped within what it is given, which may hold many small requests.
PORTION_BYTES = 16 * 1024
# For the rest of a body that has been answered already.
REST_SECONDS = 30.0
_OF_UPGRADES = (b"upgrade", b"connection", b"http2-settings")


class _Flow(FlowControl):
    """Whoever else wants to read on: not while enough is held."""

    full = False

    def resume_reading(self) -> None:
        if not self.full:
            super().resume_reading()


class Protocol(HttpToolsProtocol):
    """A head that is too long, too slow or broken ends its connection, with a reason."""

    head_seconds = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = self._fields_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._answering: RequestResponseCycle | None = None
        self._half_closed: Watch | None = None
        self._held = bytearray()
        self._last_word: ApiError | None = None
        self._rest_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow: _Flow = _Flow(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._stop_rest_timer()
        if self._half_closed is not None:
            self._half_closed.stop()
        self._held.clear()
        super().connection_lost(exc)
        self.pipeline.clear()
        # uvicorn tells the last request of a pipeline, which is not the one that does work.
        cycle = self._answering
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client has said all it will. True: what it asked for is still to be answered."""
        if self._half_closed is not None:
            return True
        cycle = self._answering
        if cycle is None or cycle.response_complete:
            return False
        if self.cycle.more_body and not self._held and self._last_word is None:
            return False
        self._stop_head_timer()
        self._half_closed = Watch(self.transport, lambda: self._answering or cycle)
        return True

    def on_response_complete(self) -> None:
        answered = self._answering
        super().on_response_complete()
        if self.transport.is_closing():
            return
        self._read_on()
        if self._busy:
            return
        if self._last_word is not None:
            self._refuse(self._last_word)
        elif self._half_closed is not None:
            self.transport.close()
        elif answered is self.cycle and self.cycle.more_body and self._rest_timer is None:
            self._rest_timer = self.loop.call_later(REST_SECONDS, self.transport.close)

    @property
    def _busy(self) -> bool:
        """A request is being answered."""
        return self._answering is not None and not self._answering.response_complete

    def data_received(self, data: bytes) -> None:
        if self._last_word is not None:
            return
        self._held += data
        self._read_on()

    def _read_on(self) -> None:
        """As many requests of what came as may wait."""
        while self._held and len(self.pipeline) < MAX_PIPELINED:
            portion = bytes(self._held[:PORTION_BYTES])
            del self._held[:PORTION_BYTES]
            self._read(portion)
            if self._last_word is not None or self.transport.is_closing():
                self._held.clear()
        was_full, self.flow.full = self.flow.full, len(self._held) > HELD_BYTES
        if self.flow.full:
            self.flow.pause_reading()
        elif was_full:
            self.flow.resume_reading()

    def _read(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_timer is None:
                self._start_head_timer()
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._refuse_unparsed()
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_too_large())

    def _parse(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                if not self._upgrading:
                    return
                data = self._head_without_upgrade() + data[upgrade.args[0] :]
                self._in_head, self._fields_bytes = True, 0
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    @property
    def _upgrading(self) -> bool:
        """The client would rather speak HTTP/2, as Java's does with every server. We may go on as
        before, but the parser takes what follows, a body too, for the other protocol."""
        return self.parser.should_upgrade() and any(name == b"upgrade" for name, _ in self.headers)

    def _head_without_upgrade(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % field for field in self.headers if field[0] not in _OF_UPGRADES]
        if any(name == b"connection" and b"close" in value.lower() for name, value in self.headers):
            lines.append(b"connection: close")
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def on_header(self, name: bytes, value: bytes) -> None:
        # A head that came in one piece is measured here, by what the parser made of it.
        self._fields_bytes += len(name) + len(value)
        if self._fields_bytes > MAX_HEAD_BYTES:
            raise ValueError("the head is too large")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._upgrading:
            return
        self._stop_head_timer()
        # Where the app has to give up a client that no longer reads: closing would wait for it.
        self.scope["extensions"] = {"mlxd.abort": self.transport.abort}  # type: ignore[dict-item]
        super().on_headers_complete()
        self._in_head = False
        if self.pipeline:
            # uvicorn would stop reading here, and not see that the client leaves.
            self.flow.resume_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        if cycle.scope["http_version"] == "1.0":
            app = _unchunked(app, cycle)
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        if self._upgrading:
            return
        self._in_head = True
        self._head_bytes = self._fields_bytes = 0
        self._stop_rest_timer()
        super().on_message_complete()

    def _refuse_unparsed(self) -> None:
        told = "Invalid HTTP request received. It could not be parsed."
        large = self._fields_bytes > MAX_HEAD_BYTES
        self._refuse(_too_large() if large else ApiError(400, told, code="invalid_http"))

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self._head_timed_out)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_rest_timer(self) -> None:
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None

    def _head_timed_out(self) -> None:
        if self._head_bytes == 0:
            self.transport.close()
            return
        told = f"The request's head did not arrive within {self.head_seconds:g} s."
        self._refuse(ApiError(408, told, code="head_timeout"))

    def _refuse(self, error: ApiError) -> None:
        """The last thing that is said on this connection, after all that was asked before."""
        self._stop_head_timer()
        if self.transport.is_closing():
            return
        if not self._in_head:  # it is the body of the last request that is broken
            if self.pipeline:
                self.pipeline.popleft()
            elif self.cycle.response_started:
                self.transport.close()
                return
            else:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
                self._answering = None
        if self._busy:
            self._last_word = error
            return
        body = error.body()
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[error.status] + head % len(body) + body)
        self.transport.close()


def _unchunked(app: App, cycle: RequestResponseCycle) -> App:
    """HTTP/1.0 knows no chunks: a body ends where the connection does."""
    cycle.chunked_encoding = False

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def plain(message: Message) -> None:
            # uvicorn holds what is left of the announced length against each piece.
            cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, plain)

    return wrapped


def _too_large() -> ApiError:
    told = f"The request's head is over the limit of {MAX_HEAD_BYTES} bytes."
    return ApiError(431, told, code="headers_too_large")


def protocol(head_seconds: float) -> type[Protocol]:
    return type("Protocol", (Protocol,), {"head_seconds": head_seconds})
