"""A turn's events as the client's stream: well-formed to its end whatever happens, with one error
part where there is no answer, and kept as far as it came."""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal

import httpx2
from pydantic_ai import ModelHTTPError, RunCancelled, UnexpectedModelBehavior, UsageLimitExceeded
from pydantic_ai.ui.vercel_ai import VercelAIAdapter
from pydantic_ai.ui.vercel_ai.response_types import BaseChunk

from .building import Answer
from .turn import Lacking

log = logging.getLogger(__name__)

# What the parsers of versions 5, 6 and 7 of the client's library all take.
SDK_VERSION: Literal[5] = 5
HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
    "x-vercel-ai-ui-message-stream": "v1",
}


class Told(Exception):
    """What the error part says."""


async def stream(
    adapter: VercelAIAdapter[Any, Any],
    events: AsyncIterator[Any],
    answer: Answer,
    keep: Callable[[Answer], Awaitable[None]],
) -> AsyncIterator[str]:
    """Lines to send. The answer is kept before the end mark goes out, so that who sees the end
    finds it, and also when the client leaves in the middle."""
    kept = False
    try:
        async for chunk in adapter.transform_stream(_plainly(events)):
            made = _json(chunk)
            if made is None:
                kept = True
                await keep(answer)
            else:
                answer.take(made)
            yield f"data: {chunk.encode(SDK_VERSION)}\n\n"
    finally:
        if not kept:
            await keep(answer)


async def _plainly(events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The same events; a fault in words that can be shown."""
    try:
        async for event in events:
            yield event
    except RunCancelled:
        raise
    except Exception as error:  # whatever it is, the client gets one valid error part
        if not isinstance(error, ModelHTTPError | Lacking | UsageLimitExceeded):
            log.warning("a turn failed", exc_info=error)
        raise Told(_explained(error)) from error


def _explained(error: Exception) -> str:
    if isinstance(error, ModelHTTPError):
        body = error.body
        return str(body.get("message") or body) if isinstance(body, dict) else str(body or error)
    if isinstance(error, UsageLimitExceeded):
        return f"The turn was ended at its limit: {error}"
    if isinstance(error, UnexpectedModelBehavior):
        return f"The model did not go on: {error}"
    if isinstance(error, httpx2.TransportError):
        return f"The service did not answer: {type(error).__name__}: {error}"
    return str(error) or type(error).__name__


def _json(chunk: BaseChunk) -> dict[str, Any] | None:
    """As the client reads it; None for the end mark."""
    text = chunk.encode(SDK_VERSION)
    return json.loads(text) if text.startswith("{") else None
