"""A turn's events as the client's stream: well-formed to its end whatever happens, with one error
part where there is no answer, and kept as far as it came."""

import json
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Literal

import httpx2
from pydantic_ai import (
    AgentRunResultEvent,
    ModelHTTPError,
    RunCancelled,
    RunTimedOut,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
)
from pydantic_ai.ui.vercel_ai import VercelAIAdapter
from pydantic_ai.ui.vercel_ai.response_types import (
    BaseChunk,
    ErrorChunk,
    MessageMetadataChunk,
    ToolInputErrorChunk,
    ToolOutputErrorChunk,
)

from .building import Answer
from .going import Chunks, Turn
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
    turn: Turn,
) -> Chunks:
    """What to send. The answer is kept before the end mark goes out, so that who sees the end
    finds it, and also when the client leaves in the middle."""
    kept = False
    plain = _Plainly(events, turn)
    try:
        async for chunk in adapter.transform_stream(plain.events()):
            if isinstance(chunk, MessageMetadataChunk):
                chunk.message_metadata["mlxd"] = plain.cost
            for one in _lasting(chunk):
                text = one.encode(SDK_VERSION)
                made = json.loads(text) if text.startswith("{") else None
                if made is None:
                    kept = True
                    await keep(answer)
                else:
                    answer.take(made)
                yield text, made
    finally:
        if not kept:
            await keep(answer)


def _lasting(chunk: BaseChunk) -> Iterator[BaseChunk]:
    """An error part is gone with the stream; what it says stays with the answer too. What a tool
    found wrong with its arguments is told in words."""
    if isinstance(chunk, ErrorChunk):
        yield MessageMetadataChunk(message_metadata={"mlxd": {"error": chunk.error_text}})
    elif isinstance(chunk, ToolInputErrorChunk | ToolOutputErrorChunk):
        chunk.error_text = _in_words(chunk.error_text)
    yield chunk


def _in_words(text: str) -> str:
    """Of a list as pydantic makes it: each argument, and what is wrong with it."""
    try:
        found = json.loads(text)
        said = [(".".join(map(str, one["loc"])), one["msg"]) for one in found]
    except (ValueError, TypeError, KeyError):
        return text
    return "\n".join(f"{place}: {what}" if place else what for place, what in said) or text


class _Plainly:
    """The same events; a fault in words that can be shown. `cost`: what a whole answer took."""

    def __init__(self, events: AsyncIterator[Any], turn: Turn) -> None:
        self._events = events
        self._turn = turn
        self.cost: dict[str, Any] = {}

    async def events(self) -> AsyncIterator[Any]:
        began = time.monotonic()
        try:
            async for event in self._events:
                if isinstance(event, AgentRunResultEvent):
                    self.cost = _cost(event, time.monotonic() - began)
                yield event
        except RunTimedOut as error:
            # A client would take the end of a run for a stop of its own.
            raise Told(_explained(error)) from error
        except RunCancelled as error:
            if self._turn.ended:
                raise Told(self._turn.ended) from error
            raise
        except Exception as error:  # whatever it is, the client gets one valid error part
            if not isinstance(error, ModelHTTPError | Lacking | UsageLimitExceeded):
                log.warning("a turn failed", exc_info=error)
            raise Told(_explained(error)) from error


def _cost(event: AgentRunResultEvent[Any], seconds: float) -> dict[str, Any]:
    response, usage = event.result.response, event.result.usage
    return {
        "model": response.model_name,
        "finish": response.finish_reason,
        "tokens": usage.output_tokens,
        "seconds": round(seconds, 3),
    }


def _explained(error: Exception) -> str:
    if isinstance(error, ModelHTTPError):
        body = error.body
        return str(body.get("message") or body) if isinstance(body, dict) else str(body or error)
    if isinstance(error, UsageLimitExceeded):
        return _limit(str(error))
    if isinstance(error, RunTimedOut):
        return "The turn was ended at its limit: it took longer than the setting agent.seconds."
    if isinstance(error, UnexpectedModelBehavior):
        return _silence(str(error))
    if isinstance(error, httpx2.TransportError):
        return f"The service did not answer: {type(error).__name__}: {error}"
    return str(error) or type(error).__name__


def _limit(told: str) -> str:
    found = re.search(r"(request|total_tokens)_limit of (\d+)", told)
    if found is None:
        return f"The turn was ended at its limit: {told}"
    if found[1] == "request":
        return f"The turn was ended at its limit: {found[2]} answers of the model (agent.steps)."
    return f"The turn was ended at its limit: {found[2]} tokens read and written (agent.tokens)."


def _silence(told: str) -> str:
    """Of a model that was asked once more, in vain."""
    if told.startswith("Exceeded maximum output retries"):
        return "The model ended without an answer. Ask again, or choose another model."
    if tool := re.match(r"Tool '(.+?)' exceeded max retries", told):
        return f"The model called the tool {tool[1]} wrongly again and again."
    if told.startswith("Model token limit"):
        return "The model used up its tokens (max_tokens) before it answered."
    return f"The model did not go on: {told}"
