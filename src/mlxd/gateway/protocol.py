"""uvicorn's HTTP protocol, with limits on a request's head and errors in the API's envelope."""

import asyncio
from typing import Any

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
# Requests that may wait on one connection behind the one that is being answered.
MAX_PIPELINED = 16


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

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        if self._half_closed is not None:
            self._half_closed.stop()
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
        if cycle is None or cycle.response_complete or self.cycle.more_body:
            return False
        self._stop_head_timer()
        self._half_closed = Watch(self.transport, lambda: self._answering or cycle)
        return True

    def on_response_complete(self) -> None:
        super().on_response_complete()
        cycle = self._answering
        if self._half_closed is not None and (cycle is None or cycle.response_complete):
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_timer is None:
                self._start_head_timer()
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_too_large())

    def on_header(self, name: bytes, value: bytes) -> None:
        # A head that came in one piece is measured here, by what the parser made of it.
        self._fields_bytes += len(name) + len(value)
        if self._fields_bytes > MAX_HEAD_BYTES:
            raise ValueError("the head is too large")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_head_timer()
        # Where the app has to give up a client that no longer reads: closing would wait for it.
        self.scope["extensions"] = {"mlxd.abort": self.transport.abort}  # type: ignore[dict-item]
        super().on_headers_complete()
        if len(self.pipeline) > MAX_PIPELINED:
            self.transport.abort()
        elif self.pipeline:
            # uvicorn would stop reading here, and not see that the client leaves.
            self.flow.resume_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        if cycle.scope["http_version"] == "1.0":
            app = _unchunked(app, cycle)
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        self._in_head = True
        self._head_bytes = self._fields_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if self._fields_bytes > MAX_HEAD_BYTES:
            self._refuse(_too_large())
        else:
            self._refuse(ApiError(400, f"{msg} It could not be parsed.", code="invalid_http"))

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self._head_timed_out)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_timed_out(self) -> None:
        if self._head_bytes == 0:
            self.transport.close()
            return
        told = f"The request's head did not arrive within {self.head_seconds:g} s."
        self._refuse(ApiError(408, told, code="head_timeout"))

    def _refuse(self, error: ApiError) -> None:
        self._stop_head_timer()
        if self.transport.is_closing():
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
