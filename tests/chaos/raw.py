"""Clients that no library would be."""

import asyncio
import contextlib
import json
import socket
import time
from typing import Any

import httptools

from mlxd.bench.http import Reply

# So small that the gateway soon has to wait for a client that reads slowly.
WINDOW_BYTES = 4096
BITE_BYTES = 2000
CHEWS_S = 0.02


async def slowly(port: int, body: dict[str, Any], limit: float) -> Reply:
    """One whole answer, in small bites."""
    reply = Reply(time.perf_counter(), fault="closed before the end of the answer")
    parser = httptools.HttpResponseParser(_Into(reply))
    try:
        async with asyncio.timeout(limit), connected(port, window=WINDOW_BYTES) as both:
            reader, writer = both
            writer.write(_request(body))
            while bite := await reader.read(BITE_BYTES):
                parser.feed_data(bite)
                await asyncio.sleep(CHEWS_S)
        reply.status = parser.get_status_code()
    except TimeoutError:
        reply.fault = f"no end within {limit:.0f} s"
    except OSError as error:
        reply.fault = f"no connection: {error}"
    return reply


class _Into:
    """What the parser tells, noted in the reply."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def on_body(self, body: bytes) -> None:
        self._reply.pieces.append((time.perf_counter(), body))

    def on_message_complete(self) -> None:
        self._reply.fault = None


async def half_closed(port: int, body: dict[str, Any]) -> None:
    """Says all, closes its own direction, and listens until the other side ends."""
    with contextlib.suppress(OSError):
        async with connected(port) as (reader, writer):
            writer.write(_request(body))
            writer.write_eof()
            while await reader.read(BITE_BYTES):
                pass


def _request(body: dict[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    return f"{head}content-length: {len(content)}\r\n\r\n".encode() + content


@contextlib.asynccontextmanager
async def connected(port: int, window: int = 0) -> Any:
    sock = socket.socket()
    if window:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    reader, writer = await asyncio.open_connection(sock=sock, limit=BITE_BYTES)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
