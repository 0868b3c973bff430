"""Requests for the desk (documents, jobs, search, agent), passed on as they come, and its answers
back the same way: nothing is gathered, so that streams stream and uploads need no memory here."""

import asyncio
import contextlib
import importlib.util
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import httptools
from starlette.routing import BaseRoute, Route

from mlxd.settings import Settings

from .asgi import ClientLeft, Headers, Receive, Scope, Send
from .endpoint import Endpoint
from .errors import ApiError
from .guards.body import SLOWEST_BYTES_A_SECOND, too_large

# What the desk serves. Only what is listed is passed on, and by these methods.
PATHS = ("documents", "jobs", "search", "tags", "ocr", "sessions")
STREAMS = ("/chat/agent-stream",)
METHODS = ("GET", "POST", "PATCH", "DELETE")
# What these processes say to each other alone (RFC 9110, 7.6.1), and what the guards have used.
_HOP = {
    b"connection",
    b"keep-alive",
    b"transfer-encoding",
    b"te",
    b"trailer",
    b"upgrade",
    b"proxy-authorization",
    b"authorization",
    b"expect",
    b"host",
}
# A library that only the desk needs: whoever has it has installed the others too.
_NEEDED = ("dbos", "lancedb", "pypdfium2")
_NEEDED_BY_AGENT = ("pydantic_ai",)
_AGENT = "/chat/"
_CHUNK = 256 * 1024
# What takes a file instead of JSON.
_UPLOADS = {"/documents", "/ocr"}


class Leasing(Protocol):
    """Where the desk is, started if it must be: what `supervisor.desk.Desk` offers."""

    def lease(self) -> AbstractAsyncContextManager[Path]: ...


def missing(path: str) -> tuple[str, list[str]]:
    """The extra that brings what this path needs, and what of it is not there."""
    agent = path.startswith(_AGENT)
    needed = _NEEDED + (_NEEDED_BY_AGENT if agent else ())
    lacking = [name for name in needed if importlib.util.find_spec(name) is None]
    return "agent" if agent else "docs", lacking


class Forward(Endpoint):
    def __init__(self, desk: Leasing, upload_limit: int, **limits: Any) -> None:
        super().__init__(**limits)
        self._desk = desk
        self._upload_limit = upload_limit

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        extra, lacking = missing(path)
        if lacking:
            raise ApiError(
                501,
                f"{path} needs libraries that are not installed ({', '.join(lacking)}): "
                f"pip install 'mlxd[{extra}]', then start the service again.",
                code=f"{extra}_not_installed",
            )
        limit = self._upload_limit if path.rstrip("/") in _UPLOADS else self._body_limit
        body = _Body(scope, receive, limit, self._body_timeout)
        async with self._desk.lease() as socket:
            exchange = _Exchange(send)
            try:
                await exchange.run(socket, scope, body)
            except (OSError, httptools.HttpParserError, EOFError) as error:
                if exchange.started:
                    # Half of an answer must not look like a whole one.
                    scope.get("extensions", {}).get("mlxd.abort", lambda: None)()
                    return
                raise ApiError(
                    503,
                    "The desk ended while it worked on this request; it is started again. "
                    f"What it had written down is kept. ({error or type(error).__name__})",
                    code="desk_unavailable",
                    retry_after=2,
                ) from error


class _Body:
    """The request's body in pieces, within its limits."""

    def __init__(self, scope: Scope, receive: Receive, limit: int, seconds: float) -> None:
        self._receive = receive
        self._limit = limit
        self._seconds = seconds
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"content-length", b"")
        self.length = int(given) if given.isdigit() else None
        self.chunked = b"transfer-encoding" in headers
        if self.length is not None and self.length > limit:
            raise too_large(limit, _setting(scope["path"]))
        self._path = scope["path"]

    async def pieces(self, writer: asyncio.StreamWriter) -> None:
        """Write all of it, then wait until the client leaves."""
        loop = asyncio.get_running_loop()
        began, size, more = loop.time(), 0, True
        while more:
            patience = began + self._seconds + size / SLOWEST_BYTES_A_SECOND - loop.time()
            try:
                async with asyncio.timeout(patience):
                    message = await self._receive()
            except TimeoutError:
                raise ApiError(
                    408,
                    f"The request's body came too slowly: {size} bytes, and nothing more in time.",
                    code="body_timeout",
                    close=True,
                ) from None
            if message["type"] == "http.disconnect":
                raise ClientLeft
            piece: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(piece)
            if size > self._limit:
                raise too_large(self._limit, _setting(self._path))
            if piece:
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self.chunked else piece)
                await writer.drain()
        if self.chunked:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        raise ClientLeft


def _setting(path: str) -> str:
    return "documents.upload_limit" if path.rstrip("/") in _UPLOADS else "server.body_limit"


class _Exchange:
    """One request and its answer over a connection of their own. The parser calls `on_…`."""

    def __init__(self, send: Send) -> None:
        self.started = False
        self._send = send
        self._parser = httptools.HttpResponseParser(self)
        self._headers: Headers = []
        self._ready: list[bytes] = []
        self._complete = self._head = False

    async def run(self, socket: Path, scope: Scope, body: _Body) -> None:
        reader, writer = await asyncio.open_unix_connection(str(socket))
        try:
            writer.write(_head(scope, body))
            sending = asyncio.create_task(body.pieces(writer))
            answering = asyncio.create_task(self._answer(reader))
            try:
                await asyncio.wait({sending, answering}, return_when=asyncio.FIRST_COMPLETED)
                if not answering.done() and not isinstance(_fault(sending), OSError):
                    # The client left, or sent too much: there is nothing to answer.
                    await sending
                await answering
            finally:
                sending.cancel()
                answering.cancel()
                await asyncio.gather(sending, answering, return_exceptions=True)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> None:
        while not self._complete:
            data = await reader.read(_CHUNK)
            if not data:
                raise EOFError("its answer broke off")
            self._parser.feed_data(data)
            if self._head and not self.started:
                self.started = True
                status = self._parser.get_status_code()
                start = {"type": "http.response.start", "status": status}
                await self._send({**start, "headers": self._headers})
            if self.started:
                ready, self._ready = b"".join(self._ready), []
                if ready or self._complete:
                    more = not self._complete
                    await self._send(
                        {"type": "http.response.body", "body": ready, "more_body": more}
                    )

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() not in _HOP:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._head = True

    def on_body(self, data: bytes) -> None:
        self._ready.append(data)

    def on_message_complete(self) -> None:
        self._complete = True


def _fault(task: "asyncio.Task[None]") -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None


def _head(scope: Scope, body: _Body) -> bytes:
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    target = scope.get("raw_path") or scope["path"].encode()
    lines = [b"%b %b%b HTTP/1.1" % (scope["method"].encode(), target, query), b"host: desk"]
    lines += [b"%b: %b" % pair for pair in scope["headers"] if pair[0].lower() not in _HOP]
    if body.chunked:
        lines.append(b"transfer-encoding: chunked")
    return b"\r\n".join([*lines, b"connection: close", b"", b""])


def routes(desk: Leasing, settings: Settings) -> list[BaseRoute]:
    server = settings.server
    forward = Forward(
        desk,
        settings.documents.upload_limit,
        body_limit=server.body_limit,
        body_timeout=server.body_timeout,
    )
    return [
        *(Route(f"/{name}", forward, methods=METHODS) for name in PATHS),
        *(Route(f"/{name}/{{rest:path}}", forward, methods=METHODS) for name in PATHS),
        *(Route(path, forward, methods=["POST"]) for path in STREAMS),
        *(Route(f"{path}/{{rest:path}}", forward, methods=["GET", "DELETE"]) for path in STREAMS),
    ]
