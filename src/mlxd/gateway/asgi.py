"""The thin layer between ASGI messages and the dialects: one response, or one stream of frames."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any

from .errors import ApiError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON_TYPE = (b"content-type", b"application/json")
# What a client may still be sending when it is refused: reading it lets it see the refusal, for a
# connection that is closed with unread bytes is reset, and the answer is lost with it.
LINGER_BYTES = 256 * 1024 * 1024
LINGER_SECONDS = 2.0  # for the next piece
LINGER_SECONDS_IN_ALL = 30.0
# Of ignored parameters in one header.
MAX_NAMES = 32


class ClientLeft(Exception):
    """The client closed the connection; there is nobody to answer."""


async def send_json(send: Send, body: bytes, *, status: int = 200, headers: Headers = []) -> None:  # noqa: B006
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [JSON_TYPE, (b"content-length", b"%d" % len(body)), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def send_error(send: Send, receive: Receive, error: ApiError, headers: Headers = []) -> None:  # noqa: B006
    body = error.body()
    if not error.close:
        await send_json(send, body, status=error.status, headers=[*error.headers, *headers])
        return
    start = [JSON_TYPE, (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    await send(
        {
            "type": "http.response.start",
            "status": error.status,
            "headers": start + error.headers + headers,
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await _linger(receive)
    await send({"type": "http.response.body", "body": b""})


def ignored_header(names: list[str]) -> Headers:
    """Names are the client's own, so only what a header can carry of them is repeated."""
    if not names:
        return []
    shown = ", ".join(_printable(name) for name in names[:MAX_NAMES])
    return [(b"x-mlxd-ignored-parameters", shown.encode())]


def _printable(name: str) -> str:
    return "".join(c if c.isascii() and c.isprintable() and c != "," else "?" for c in name[:64])


async def _linger(receive: Receive) -> None:
    unread = LINGER_BYTES
    now = asyncio.get_running_loop().time
    end = now() + LINGER_SECONDS_IN_ALL
    try:
        async with asyncio.timeout(LINGER_SECONDS) as limit:
            while unread > 0:
                message = await receive()
                limit.reschedule(min(now() + LINGER_SECONDS, end))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
                unread -= len(message.get("body", b""))
    except TimeoutError:
        return


class UntilDisconnect:
    """Cancel the block when the client leaves, and end it quietly then."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.left = False

    async def __aenter__(self) -> "UntilDisconnect":
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._watch = asyncio.create_task(self._wait())
        return self

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = True
        self._task.cancel()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._watch.cancel()
        if not self.left:
            return False
        # The cancellation was ours: take it back, unless somebody else wants the task gone too.
        return self._task.uncancel() == 0 and isinstance(error, asyncio.CancelledError)
