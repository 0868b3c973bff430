"""What a streamed reply really was: its tokens, their times, and whether it kept its promise."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgspec

from .http import Reply
from .sse import EventReader


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Any] | None = None

    def says_something(self) -> bool:
        return bool(self.content or self.reasoning_content or self.reasoning or self.tool_calls)


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    text: str | None = None
    finish_reason: str | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None


class Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None

    def speaks(self) -> bool:
        return any(c.text or c.delta.says_something() for c in self.choices or ())


_chunk = msgspec.json.Decoder(Chunk)


def read_chunk(event: bytes) -> Chunk:
    return _chunk.decode(event)


@dataclass
class Answer:
    """`arrivals` are the times of the events that carried something the model said.

    `tokens` is the server's own usage where it sent one, else the number of such events.
    `fault` is None only if the stream ended as asked: it must never count as fast otherwise.
    """

    sent: float
    ended: float
    status: int
    arrivals: list[float] = field(default_factory=list)
    text: str = ""
    tokens: int = 0
    counted_by: str = "deltas"
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    finish: str | None = None
    fault: str | None = None

    @property
    def first_token(self) -> float:
        return self.arrivals[0] - self.sent

    @property
    def gaps(self) -> list[float]:
        return [b - a for a, b in pairwise(self.arrivals)]


def _events(pieces: Iterable[tuple[float, bytes]]) -> Iterable[tuple[float, bytes]]:
    reader = EventReader()
    for time, piece in pieces:
        for event in reader.feed(piece):
            yield time, event


def read_stream(reply: Reply, asked: int) -> Answer:
    """`asked` is the request's max_tokens; an answer with fewer is at fault."""
    answer = Answer(reply.sent, reply.ended, reply.status)
    if reply.status != 200 or reply.fault:
        body = reply.body[:300].decode(errors="replace").strip()
        answer.fault = reply.fault or f"HTTP {reply.status}: {body}"
        return answer
    try:
        for time, event in _events(reply.pieces):
            if event != b"[DONE]":
                _take(answer, time, read_chunk(event))
    except msgspec.MsgspecError as error:
        answer.fault = f"an event is not a chunk: {error}"
    answer.fault = answer.fault or _judge(answer, asked)
    return answer


def _take(answer: Answer, time: float, chunk: Chunk) -> None:
    if chunk.error is not None:
        answer.fault = f"error in the stream: {chunk.error}"
    if chunk.speaks():
        answer.arrivals.append(time)
    for choice in chunk.choices or ():
        answer.text += choice.text or choice.delta.content or ""
        answer.finish = choice.finish_reason or answer.finish
    if answer.counted_by == "deltas":
        answer.tokens = len(answer.arrivals)
    if chunk.usage and chunk.usage.completion_tokens is not None:
        answer.tokens, answer.counted_by = chunk.usage.completion_tokens, "usage"
    if chunk.usage and chunk.usage.prompt_tokens is not None:
        answer.prompt_tokens = chunk.usage.prompt_tokens
        details = chunk.usage.prompt_tokens_details
        answer.cached_tokens = details.cached_tokens if details else None


def _judge(answer: Answer, asked: int) -> str | None:
    if answer.finish is None:
        return f"the stream ended after {answer.tokens} tokens without a finish_reason"
    if not answer.arrivals:
        return f"no text in the stream (usage says {answer.tokens} tokens)"
    # Where deltas are all there is to count, a few tokens may be held back inside a character.
    least = asked if answer.counted_by == "usage" else asked * 0.9
    if not least <= answer.tokens <= asked:
        return f"{answer.tokens} of {asked} tokens, finish_reason {answer.finish!r}"
    return None
