"""A request for a model that a server elsewhere has, and its answer, byte for byte."""

import asyncio
from typing import Any

from mlxd.supervisor.contract import Elsewhere, Passed, ServiceError

from . import sse
from .asgi import Headers, Receive, Scope, Send, UntilDisconnect
from .errors import from_service

HOPS = b"x-mlxd-hops"


async def forward(
    model: Elsewhere, body: dict[str, Any], scope: Scope, receive: Receive, send: Send
) -> None:
    abort = scope.get("extensions", {}).get("mlxd.abort")
    async with UntilDisconnect(receive):
        passed = await model.ask(scope["path"].removeprefix("/v1"), body, _hops(scope))
        try:
            await _Out(send, passed).run()
        except _GivenUp:
            # An answer that is not whole must not look like one.
            if abort is not None:
                abort()
        finally:
            await passed.aclose()


class _GivenUp(Exception):
    pass


class _Out:
    def __init__(self, send: Send, passed: Passed) -> None:
        self._send = send
        self._passed = passed
        self._started = False

    async def run(self) -> None:
        try:
            held: bytes | None = None
            async for part in self._passed:
                if held is not None or self._passed.is_stream:
                    await self._write((held or b"") + part, more=True)
                    held = b""
                else:
                    held = part
            await self._write(held or b"", more=False)
        except ServiceError as error:
            # Before the first byte it can still be a status; later, a stream has a place for it.
            if not self._started:
                raise
            if not self._passed.is_stream:
                raise _GivenUp from error
            told = sse.error_frame(from_service(error)) + sse.DONE
            await self._write(told, more=False)

    async def _write(self, data: bytes, *, more: bool) -> None:
        try:
            async with asyncio.timeout(sse.STALLED_SECONDS):
                if not self._started:
                    self._started = True
                    await self._send(self._head(None if more else len(data)))
                await self._send({"type": "http.response.body", "body": data, "more_body": more})
        except TimeoutError:
            raise _GivenUp from None

    def _head(self, length: int | None) -> dict[str, Any]:
        headers: Headers = list(self._passed.headers)
        names = {name for name, _ in headers}
        if self._passed.is_stream:
            headers += [(name, value) for name, value in sse.HEADERS if name not in names]
        elif b"content-type" not in names:
            headers.append((b"content-type", b"application/json"))
        if length is not None:
            headers.append((b"content-length", b"%d" % length))
        return {"type": "http.response.start", "status": self._passed.status, "headers": headers}


def _hops(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == HOPS and value.isdigit() and len(value) < 4:
            return int(value)
    return 0
