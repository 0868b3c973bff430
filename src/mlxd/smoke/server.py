"""The server under test: sends requests within time limits and keeps what really came back."""

import asyncio
import copy
import json
import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import httpx2

from .faults import Fault
from .result import Exchange

# Of one response; enough for any answer that a check asks for, and a leak can't fill the memory.
KEPT_BYTES = 256_000
CONNECT_S = 5.0
VERSION = "/v1"
ALIVE_S = 5.0


@dataclass
class Reply:
    """`pieces` are the body's parts with the time at which each arrived."""

    exchange: Exchange
    began: float
    content_type: str = ""
    # The server says that the connection stays open.
    kept: bool = True
    pieces: list[tuple[float, bytes]] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)

    @property
    def status(self) -> int:
        return self.exchange.status or 0


class Server:
    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = 120.0,
        local: bool = False,
        insecure: bool = False,
    ) -> None:
        """`url` with or without what comes after it in requests. `local`: a server of ours, so no
        proxy is asked. `insecure`: any certificate of its will do."""
        self.base = url.rstrip("/").removesuffix("/chat/completions").removesuffix("/v1")
        if "://" not in self.base:
            self.base = f"http://{self.base}"
        self.timeout = timeout
        self._key = api_key
        self._local = local
        self._insecure = insecure
        self.connections = 0
        # Anything at all has come back.
        self.answered = False
        # Kept connections that ended under a request, which was then answered over another.
        self.drops = 0
        # Before every path, unless the server has its own root.
        self.version = VERSION
        self._client = self._make_client(None)

    def _make_client(self, connections: int | None) -> httpx2.AsyncClient:
        headers = {"authorization": f"Bearer {self._key}"} if self._key else {}
        return httpx2.AsyncClient(
            headers=headers,
            timeout=httpx2.Timeout(None, connect=CONNECT_S),
            limits=httpx2.Limits(max_connections=connections),
            trust_env=not self._local,
            # To load the authorities takes longer than an answer, and nothing follows a redirect.
            verify=self.base.startswith("https:") and not self._insecure,
        )

    def with_one_connection(self) -> "Server":
        other = copy.copy(self)
        other.connections = other.drops = 0
        other._client = self._make_client(1)
        return other

    async def aclose(self) -> None:
        await self._client.aclose()

    async def alive(self) -> bool:
        """Whether anything answers."""
        try:
            async with asyncio.timeout(ALIVE_S):
                await self._client.get(f"{self.base}{self.version}/models")
        except (TimeoutError, httpx2.TransportError):
            return False
        return True

    async def send(self, method: str, path: str, body: Any = None, *, raw: bytes = b"") -> Reply:
        """The whole reply. Raises FaultyExchange where there is none."""
        async with self.open(method, path, body, raw=raw) as (reply, pieces):
            async for _ in pieces:
                pass
        return reply

    @asynccontextmanager
    async def open(
        self, method: str, path: str, body: Any = None, *, raw: bytes = b""
    ) -> AsyncIterator[tuple[Reply, AsyncIterator[bytes]]]:
        """The reply as it arrives; leaving early closes the connection."""
        url = self.base + self.version + path.removeprefix(VERSION)
        if not path.startswith(VERSION):
            url = self.base + path
        data = raw or (json.dumps(body, ensure_ascii=False).encode() if body is not None else b"")
        exchange = Exchange(
            method=method,
            url=url,
            request=body if body is not None else (raw.decode(errors="replace") or None),
            curl=self._curl(method, url, data),
        )
        began = perf_counter()
        reply = Reply(exchange, began)
        headers = {"content-type": "application/json"} if data else {}
        try:
            async with asyncio.timeout(self.timeout), AsyncExitStack() as stack:
                asked = {"method": method, "url": url, "content": data or None, "headers": headers}
                response = await self._response(stack, asked)
                exchange.status = response.status_code
                self.answered = True
                exchange.headers = _shown(response.headers)
                reply.kept = response.http_version == "HTTP/1.1" and (
                    "close" not in response.headers.get("connection", "").lower()
                )
                reply.content_type = response.headers.get("content-type", "")
                yield reply, self._pieces(response, reply)
        except TimeoutError:
            exchange.error = self._late(exchange, reply)
            raise FaultyExchange("timeout", exchange.error, exchange) from None
        except httpx2.ConnectError as error:
            exchange.error = f"no connection to {url}: {_words(error)}"
            if "CERTIFICATE_VERIFY_FAILED" in _words(error):
                exchange.error = (
                    f"{self.base} has a TLS certificate that nobody vouches for; give its "
                    "authority in SSL_CERT_FILE, or trust it unseen with --insecure"
                )
            raise FaultyExchange("server_down", exchange.error, exchange, error=True) from error
        except httpx2.TimeoutException as error:
            exchange.error = f"no connection to {url} within {CONNECT_S:.0f} s"
            raise FaultyExchange("server_down", exchange.error, exchange, error=True) from error
        except httpx2.TransportError as error:
            exchange.error = f"the connection broke before the end of the answer: {_words(error)}"
            raise FaultyExchange("server_down", exchange.error, exchange) from error
        except httpx2.RequestError as error:
            exchange.error = f"the answer can't be read as HTTP: {_words(error)}"
            raise FaultyExchange("wire_format", exchange.error, exchange) from error
        finally:
            exchange.seconds = round(perf_counter() - began, 4)
            if reply.pieces:
                exchange.first_byte_seconds = round(reply.pieces[0][0] - began, 4)
            exchange.response = reply.body.decode(errors="replace")

    async def _response(self, stack: AsyncExitStack, asked: dict[str, Any]) -> httpx2.Response:
        """Asked again where a connection that carried earlier answers ends without a byte of this
        one: it may have been closed as the request was sent, and every good client does so."""
        broken: httpx2.TransportError | None = None
        dropped = 0
        while True:
            opened: list[str] = []

            async def trace(event: str, _: Any, opened: list[str] = opened) -> None:
                if event == "connection.connect_tcp.started":
                    opened.append(event)
                    self.connections += 1

            try:
                stream = self._client.stream(**asked, extensions={"trace": trace})
                response = await stack.enter_async_context(stream)
                self.drops += dropped
                return response
            except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError) as error:
                if opened:
                    raise
                broken = error
                dropped += 1
            except httpx2.ConnectError as error:
                # Where it was there a moment ago, this request broke, and took the server along.
                raise broken or error from None

    async def _pieces(self, response: httpx2.Response, reply: Reply) -> AsyncIterator[bytes]:
        size = 0
        async for piece in response.aiter_bytes():
            size += len(piece)
            if size > KEPT_BYTES:
                reply.exchange.truncated = True
                raise FaultyExchange(
                    "wire_format",
                    f"the answer is longer than {KEPT_BYTES} bytes and goes on",
                    reply.exchange,
                )
            reply.pieces.append((perf_counter(), piece))
            yield piece

    def _late(self, exchange: Exchange, reply: Reply) -> str:
        if exchange.status is None:
            what = "nothing came back at all"
        elif not reply.pieces:
            what = f"after the headers (HTTP {exchange.status}) nothing came"
        else:
            what = f"{len(reply.body)} bytes came, but no end"
        return f"no answer within {self.timeout:g} s: {what}"

    def _curl(self, method: str, url: str, data: bytes) -> str:
        parts = ["curl", "-sS", "-N", "-X", method, shlex.quote(url)]
        if self._key:
            parts += ["-H", '"authorization: Bearer $API_KEY"']
        if data:
            parts += ["-H", "'content-type: application/json'"]
            parts += ["--data-raw", shlex.quote(data.decode(errors="replace"))]
        return " ".join(parts)


class FaultyExchange(Fault):
    """A fault of the exchange itself."""

    def __init__(self, category: Any, message: str, exchange: Exchange, **more: Any) -> None:
        super().__init__(category, message, **more)
        self.exchange = exchange


def _shown(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() != "set-cookie"}


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
