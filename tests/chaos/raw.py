"""The clients that no library would be, as the soak counts their answers."""

import asyncio
import contextlib
import time
from typing import Any

import httptools

from mlxd.bench.http import Reply
from mlxd.smoke.lifecycle import raw

CHEWS_S = 0.02


async def slowly(port: int, body: dict[str, Any], limit: float) -> Reply:
    """One whole answer, in small bites."""
    reply = Reply(time.perf_counter(), fault="closed before the end of the answer")
    parser = httptools.HttpResponseParser(_Into(reply))
    try:
        async with (
            asyncio.timeout(limit),
            contextlib.aclosing(raw.bites(port, body, chew=CHEWS_S)) as bites,
        ):
            async for bite in bites:
                parser.feed_data(bite)
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
        await raw.half_closed(port, body)
