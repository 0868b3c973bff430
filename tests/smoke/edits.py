"""Faults of the wire that are made on an answer's way out."""

import itertools
import time
from collections.abc import Callable
from typing import Any

from .edit import DONE, Chunk, Edit, deltas
from .fake import Fake
from .mutant import edited

# Longer than a busy machine stands still, and shorter than the pause of this check.
IDLE_S, PAUSE_S = 4.0, 5.0
GOOD_ANSWERS = 60
AWAKE_ANSWERS = 200
BUSY_EVERY = 7


def _choices(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [one for chunk in chunks if isinstance(chunk, dict) for one in chunk["choices"]]


def _each(change: Callable[[dict[str, Any]], object], chunks: list[Chunk]) -> list[Chunk]:
    for one in chunks:
        if isinstance(one, dict):
            change(one)
    return chunks


@edited("stream-usage-missing", "no usage at the end of a stream")
class _NoUsage(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        return [one for one in chunks if "usage" not in one]


@edited("stream-finish-null", "finish_reason stays null to the end of a stream")
class _NoFinish(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for choice in _choices(chunks):
            choice["finish_reason"] = None
        return chunks


@edited("stream-role-missing", "the first delta has no role")
class _NoRole(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for delta in deltas(chunks):
            delta.pop("role", None)
        return chunks


@edited("stream-content-list", "a delta's content is a list of parts")
class _ContentList(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for delta in deltas(chunks):
            if delta.get("content"):
                delta["content"] = [{"type": "text", "text": delta["content"]}]
        return chunks


@edited("call-index-missing", "deltas of a tool call have no index")
class _NoIndex(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for delta in deltas(chunks):
            for call in delta.get("tool_calls") or ():
                del call["index"]
        return chunks


@edited("call-id-changes", "each delta of a tool call has an id of its own")
class _CallIds(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for number, delta in enumerate(deltas(chunks)):
            for call in delta.get("tool_calls") or ():
                call["id"] = f"call_{number}"
        return chunks


@edited("stream-arguments-object", "arguments in a delta are an object", "wrong_tool_call")
class _ArgumentsObject(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for delta in deltas(chunks):
            for call in delta.get("tool_calls") or ():
                if "arguments" in call["function"]:
                    call["function"]["arguments"] = {"part": call["function"]["arguments"]}
        return chunks


@edited("created-in-milliseconds", "created is in milliseconds")
class _Milliseconds(Edit):
    def body(self, answer: dict[str, Any]) -> None:
        answer["created"] = time.time_ns() // 1_000_000

    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        return _each(self.body, chunks)


@edited("another-model-named", "answers name another model than was asked")
class _AnotherModel(Edit):
    def body(self, answer: dict[str, Any]) -> None:
        answer["model"] = "gpt-4"

    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        return _each(self.body, chunks)


@edited("stream-model-changes", "the model's name changes in the middle of a stream")
class _ModelChanges(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        return _each(lambda one: one.update(model="other"), chunks[:2]) + chunks[2:]


@edited("ids-repeat", "every answer has the same id")
class _SameId(Edit):
    def body(self, answer: dict[str, Any]) -> None:
        answer["id"] = "chatcmpl-1"


@edited("garbage-after-done", "a line of text after [DONE]")
class _Garbage(Edit):
    def lines(self, data: bytes) -> bytes:
        return data + b"ok\n\n"


@edited("done-twice", "[DONE] comes twice")
class _DoneTwice(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        return [*chunks, DONE]


@edited("text-after-finish", "text comes after finish_reason")
class _AfterFinish(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        text = {"index": 0, "delta": {"content": " "}, "finish_reason": None}
        ends = [n for n, one in enumerate(chunks) if "finish_reason': '" in str(one)]
        late: Chunk = {**_first(chunks), "choices": [text]}
        return [*chunks[: ends[-1] + 1], late, *chunks[ends[-1] + 1 :]]


def _first(chunks: list[Chunk]) -> dict[str, Any]:
    assert isinstance(chunks[0], dict)
    return chunks[0]


@edited("ends-early", "a stream ends, in good order, before its end")
class _EndsEarly(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        return chunks[: max(2, len(chunks) // 2)]


@edited("no-event-stream-lines", "events are lines of JSON without data:")
class _JsonLines(Edit):
    def lines(self, data: bytes) -> bytes:
        return data.replace(b"data: ", b"")


@edited("one-line-end-only", "events are not set apart by an empty line")
class _NotApart(Edit):
    def lines(self, data: bytes) -> bytes:
        return data.replace(b"\n\n", b"\n")


@edited("byte-order-mark", "answers begin with a byte order mark")
class _Mark(Edit):
    def data(self, data: bytes) -> bytes:
        return b"\xef\xbb\xbf" + data

    def lines(self, data: bytes) -> bytes:
        return b"\xef\xbb\xbf" + data


@edited("gzip-without-a-word", "gzip, and no header says so")
class _Gzip(Edit):
    def data(self, data: bytes) -> bytes:
        import gzip

        return gzip.compress(data)


@edited("not-a-number", "NaN in the JSON")
class _NaN(Edit):
    def data(self, data: bytes) -> bytes:
        return data[:-1] + b', "score": NaN}'


@edited("latin-1", "Latin-1 where JSON has to be UTF-8")
class _Latin(Edit):
    def data(self, data: bytes) -> bytes:
        return data[:-1] + ', "note": "café"}'.encode("latin-1")


@edited("two-answers-in-one", "two JSON objects in one body")
class _Two(Edit):
    def data(self, data: bytes) -> bytes:
        return data + data


@edited("connection-dropped", "closes each connection after an answer, unannounced")
class _Dropped(Edit):
    def hangs_up(self) -> bool:
        return True


@edited("connection-dropped-at-times", "closes a connection after every tenth answer, unannounced")
class _DroppedAtTimes(Edit):
    def __init__(self) -> None:
        self.answers = itertools.count(1)

    def hangs_up(self) -> bool:
        return next(self.answers) % 10 == 0


@edited("cached-over-prompt", "more tokens from the cache than the prompt has")
class _Cached(Edit):
    def body(self, answer: dict[str, Any]) -> None:
        if usage := answer.get("usage"):
            usage["prompt_tokens_details"] = {"cached_tokens": usage["prompt_tokens"] + 1}

    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        return _each(self.body, chunks)


@edited("reasoning-over-completion", "more tokens of reasoning than the answer has")
class _Reasoned(Edit):
    def body(self, answer: dict[str, Any]) -> None:
        if usage := answer.get("usage"):
            more = usage["completion_tokens"] + 1
            usage["completion_tokens_details"] = {"reasoning_tokens": more}


@edited("usage-constant", "usage is the same for every answer")
class _Constant(Edit):
    def body(self, answer: dict[str, Any]) -> None:
        if "usage" in answer:
            answer["usage"] = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}

    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        return _each(self.body, chunks)


@edited("usage-of-no-tokens", "answers of no tokens, though there is text")
class _NoTokens(Edit):
    def body(self, answer: dict[str, Any]) -> None:
        if usage := answer.get("usage"):
            prompt = usage["prompt_tokens"]
            answer["usage"] = usage | {"completion_tokens": 0, "total_tokens": prompt}

    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        return _each(self.body, chunks)


@edited("gone-after-sixty", "HTTP 500 from the sixtieth answer on", "server_down")
class _Gone(Edit):
    def refuse(self, fake: Fake) -> tuple[int, str] | None:
        return (500, "out of memory") if fake.answers >= GOOD_ANSWERS else None


@edited(
    "asleep-after-a-pause",
    "HTTP 500 for the first request after a pause",
    "server_down",
    pause=PAUSE_S,
)
class _Asleep(Edit):
    def refuse(self, fake: Fake) -> tuple[int, str] | None:
        # At its start a busy machine pauses too; the check of a pause is one of the last.
        paused = fake.answers > AWAKE_ANSWERS and time.monotonic() - fake.heard_at > IDLE_S
        fake.heard_at = time.monotonic()
        return (500, "the engine is being loaded") if paused else None


@edited("busy-without-a-time", "HTTP 429 that does not say when to come again")
class _Busy(Edit):
    def refuse(self, fake: Fake) -> tuple[int, str] | None:
        fake.memory["asked"] = fake.memory.get("asked", 0) + 1
        return (429, "too many requests") if fake.memory["asked"] % BUSY_EVERY == 0 else None
