"""A lean HTTP client: it shares the machine with the server that it measures.

While an answer arrives it only notes each piece and its time; reading them waits until the end.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

import httptools

Watch = Callable[[float, bytes], None]


@dataclass
class Reply:
    """What came back, as it came. `fault` says why it is not whole; None where it is. `reused`: it
    went over a connection that had been idle, which a server may close just as it is used again."""

    sent: float
    status: int = 0
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    ended: float = 0.0
    fault: str | None = None
    reused: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)


class _Connection(asyncio.Protocol):
    """One connection; carries one exchange at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.reusable = False
        self._done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass

    def send(self, request: bytes, watch: Watch | None) -> tuple[Reply, asyncio.Future[None]]:
        assert self.transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self._watch = watch
        self._framed = False
        self._in_body = False
        self.reusable = False
        self._done = asyncio.get_running_loop().create_future()
        self.reply = Reply(sent=perf_counter())
        self.transport.write(request)
        return self.reply, self._done

    def data_received(self, data: bytes) -> None:
        self._now = perf_counter()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._finish(f"not HTTP: {error}")

    def on_header(self, name: bytes, _value: bytes) -> None:
        self._framed |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        self.reply.status = self._parser.get_status_code()
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        self.reply.pieces.append((self._now, body))
        if self._watch:
            self._watch(self._now, body)

    def on_message_complete(self) -> None:
        self.reusable = self._framed and self._parser.should_keep_alive()
        self._finish(None)

    def connection_lost(self, error: Exception | None) -> None:
        self.reusable = False
        self.transport = None
        # Without a length or chunks the end of the connection is the end of the body (HTTP/1.0).
        if self._done and not self._done.done():
            whole = self._in_body and not self._framed and error is None
            self._finish(None if whole else f"connection lost before the end ({error or 'closed'})")

    def _finish(self, fault: str | None) -> None:
        if self._done and not self._done.done():
            self.reply.fault = fault
            self.reply.ended = perf_counter()
            self._done.set_result(None)


class Client:
    """Talks to one server; keeps its connections open between requests where the server does."""

    def __init__(self, url: str, *, api_key: str | None = None, limit: float = 900.0) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not a URL such as http://127.0.0.1:60315")
        self.secure = parts.scheme == "https"
        self.host = parts.hostname
        self.port = parts.port or (443 if self.secure else 80)
        self.prefix = parts.path.rstrip("/").removesuffix("/v1")
        self.limit = limit
        self._idle: list[_Connection] = []
        self._common = f"Host: {parts.netloc.rpartition('@')[2]}\r\nAccept: */*\r\n"
        if api_key:
            self._common += f"Authorization: Bearer {api_key}\r\n"

    async def get(self, path: str) -> Reply:
        return await self._exchange(self._head("GET", path).encode(), None)

    async def post(self, path: str, body: bytes, watch: Watch | None = None) -> Reply:
        """`watch` sees each piece of the answer as it arrives."""
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return await self._exchange(self._head("POST", path, length).encode() + body, watch)

    def close(self) -> None:
        for connection in self._idle:
            if connection.transport:
                connection.transport.close()
        self._idle.clear()

    def _head(self, method: str, path: str, more: str = "") -> str:
        return f"{method} {self.prefix}{path} HTTP/1.1\r\n{self._common}{more}\r\n"

    async def _exchange(self, request: bytes, watch: Watch | None) -> Reply:
        connection = None
        try:
            async with asyncio.timeout(self.limit):
                idle = self._reuse()
                connection = idle or await self._connect()
                reply, done = connection.send(request, watch)
                reply.reused = idle is not None
                await done
        except TimeoutError:
            self._abort(connection)
            partial = connection.reply if connection else Reply(perf_counter() - self.limit)
            partial.fault = f"no end within {self.limit:.0f} s"
            partial.ended = perf_counter()
            return partial
        except OSError as error:
            return Reply(perf_counter(), ended=perf_counter(), fault=f"no connection: {error}")
        except asyncio.CancelledError:
            self._abort(connection)
            raise
        if connection.reusable:
            self._idle.append(connection)
        elif connection.transport:
            connection.transport.close()
        return reply

    def _reuse(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.transport and not connection.transport.is_closing():
                return connection
        return None

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        context = ssl.create_default_context() if self.secure else None
        _, connection = await loop.create_connection(_Connection, self.host, self.port, ssl=context)
        return connection

    @staticmethod
    def _abort(connection: _Connection | None) -> None:
        if connection and connection.transport:
            connection.transport.abort()
