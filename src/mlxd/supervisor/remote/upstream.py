"""HTTP to a server elsewhere: one request, asked again only while nothing of an answer has come."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx2

from mlxd.remotes import RemoteSettings
from mlxd.supervisor.contract import RemoteFailed

from .passing import kept, without

# Before each try. A server behind a balancer is often there again at once.
PAUSES_S = (0.0, 0.25, 1.0)
# What a balancer answers for a server that is gone or coming back.
GONE = frozenset((502, 503, 504))
# Of an answer that is no success: enough for any message.
ERROR_BYTES = 256 * 1024
SHOWN_CHARACTERS = 300
HOPS = b"x-mlxd-hops"

# They would write a line for each request, and at "debug" its headers, where the key stands.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Broken(Exception):
    """No answer came, or it broke off."""


class Response:
    """`first` has been read already: before it, asking again was possible. Iterating yields what
    follows, and raises Broken where that breaks off."""

    def __init__(self, response: httpx2.Response, declared: RemoteSettings) -> None:
        self.status = response.status_code
        self.headers = kept(response.headers.raw)
        self.kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        self.encoded = "content-encoding" in response.headers
        self.location = response.headers.get("location", "")
        self.retry_after = response.headers.get("retry-after")
        self.first = b""
        self._response = response
        self._bytes = response.aiter_raw()
        self._stall_s = declared.stall_timeout

    async def begin(self) -> None:
        self.first = await anext(self._bytes, b"")

    async def rest(self) -> AsyncIterator[bytes]:
        while True:
            try:
                async with asyncio.timeout(self._stall_s):
                    part = await anext(self._bytes, None)
            except TimeoutError:
                raise Broken(f"nothing came for {self._stall_s:g} s") from None
            except httpx2.HTTPError as error:
                raise Broken(_plain(error)) from error
            if part is None:
                return
            yield part

    async def beginning(self, limit: int) -> bytes:
        """Its body up to a limit, however it ends."""
        made = bytearray(self.first)
        try:
            async for part in self.rest():
                made += part
                if len(made) >= limit:
                    break
        except Broken:
            pass
        return bytes(made[:limit])

    async def aclose(self) -> None:
        await self._response.aclose()


class Upstream:
    def __init__(self, declared: RemoteSettings) -> None:
        self._declared = declared
        # A proxy from the environment is the way out of some networks, and never the way to
        # this machine itself.
        local = urlsplit(declared.url).hostname in ("localhost", "127.0.0.1", "::1")
        self._client = httpx2.AsyncClient(
            trust_env=not local,
            follow_redirects=False,
            timeout=httpx2.Timeout(None, connect=declared.connect_timeout),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=8),
        )

    async def open(
        self, path: str, body: bytes, key: str | None, hops: int
    ) -> tuple[Response, int]:
        """The answer once its first byte is here, and how often it was asked again. RemoteFailed
        when there is none."""
        again = -1
        last = ""
        for pause in PAUSES_S:
            again += 1
            await asyncio.sleep(pause)
            try:
                response = await self._once(path, body, key, hops)
            except (httpx2.TransportError, httpx2.DecodingError) as error:
                last = without(key, _plain(error))
                continue
            if (
                response.status in GONE
                and response.retry_after is None
                and again < len(PAUSES_S) - 1
            ):
                await response.aclose()
                continue
            return response, again
        raise RemoteFailed(
            f"{self._declared.name} ({self._declared.url}) can't be reached: {last}.",
            status=503,
            code="remote_unreachable",
            retry_after=PAUSES_S[-1],
        )

    async def _once(self, path: str, body: bytes, key: str | None, hops: int) -> Response:
        headers: dict[bytes, bytes] = {
            b"content-type": b"application/json",
            b"accept": b"text/event-stream, application/json",
            # What is passed on is looked at for its end; compressed, that could not be seen.
            b"accept-encoding": b"identity",
            HOPS: b"%d" % hops,
        }
        if key is not None:
            headers[b"authorization"] = f"Bearer {key}".encode("ascii")
        url = self._declared.url.rstrip("/") + path
        request = self._client.build_request("POST", url, content=body, headers=headers)
        wait = self._declared.first_timeout
        try:
            async with asyncio.timeout(wait):
                response = Response(await self._client.send(request, stream=True), self._declared)
                try:
                    await response.begin()
                except BaseException:
                    await response.aclose()
                    raise
        except TimeoutError:
            raise RemoteFailed(
                f"{self._declared.name} did not begin to answer within {wait:g} s "
                "(first_timeout of this remote).",
                status=504,
                code="remote_timeout",
            ) from None
        return response

    async def aclose(self) -> None:
        await self._client.aclose()


def _plain(error: Exception) -> str:
    """In words; the class says what some of them leave unsaid."""
    told: Any = error
    while not str(told) and told.__cause__ is not None:
        told = told.__cause__
    name = type(error).__name__
    return f"{name}: {told}" if str(told) else name
