"""Clients that no library would be: one reads slowly, one closes its half of the connection."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

# So small that a server soon has to wait for who reads slowly.
WINDOW_BYTES = 4096
BITE_BYTES = 2000
CHEWS_S = 0.03


async def slowly(port: int, body: dict[str, Any]) -> bytes:
    """All that came, headers included."""
    return b"".join([bite async for bite in bites(port, body, chew=CHEWS_S)])


async def half_closed(port: int, body: dict[str, Any]) -> bytes:
    """Says all, closes its own direction, and listens until the other side ends."""
    return b"".join([bite async for bite in bites(port, body, half=True)])


async def bites(
    port: int, body: dict[str, Any], *, chew: float = 0.0, half: bool = False
) -> AsyncIterator[bytes]:
    """What comes, as it comes; until the other side ends, in whatever way."""
    content = json.dumps(body).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    async with _connected(port, WINDOW_BYTES if chew else 0) as (reader, writer):
        writer.write(head.encode() + content)
        if half:
            writer.write_eof()
        with contextlib.suppress(ConnectionError):
            while bite := await reader.read(BITE_BYTES):
                yield bite
                if chew:
                    await asyncio.sleep(chew)


@asynccontextmanager
async def _connected(
    port: int, window: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
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
