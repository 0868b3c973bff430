"""A streamed answer: its events, what they add up to, and where they break the contract."""

import re
from collections.abc import Iterator
from time import perf_counter
from typing import Any

from .answer import (
    BOM,
    FINISHES,
    Answer,
    Call,
    created_complaints,
    loads,
    refuse_errors,
    type_complaints,
    usage_complaints,
)
from .faults import Fault
from .server import Reply

DONE = "[DONE]"
_ENDS = re.compile(rb"\r\n|\n|\r")

FIELDS = ("data", "event", "id", "retry")


def events(reply: Reply) -> tuple[list[tuple[float, str]], list[str]]:
    """The data of every event with the time at which it was complete; and what a strict reader
    would trip over."""
    found: list[tuple[float, str]] = []
    complaints: list[str] = []
    data: list[str] = []
    for time, line in _lines(reply):
        if not line:
            if data:
                found.append((time, "\n".join(data)))
                data = []
            continue
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        elif name and name not in FIELDS:
            complaints.append(f"a line that is no field of an event stream: {line[:60]!r}")
        if found and found[-1][1] == DONE and name:
            complaints.append("something comes after [DONE]")
    if data:
        cut = "\n".join(data)
        raise Fault("wire_format", "the stream ends in the middle of an event", got=cut[:500])
    if reply.body.startswith(BOM):
        complaints.append("the stream begins with a byte order mark")
    return found, complaints


def _lines(reply: Reply) -> Iterator[tuple[float, str]]:
    """A line ends with CR, LF or both, and what comes in one piece may end in the middle of it."""
    rest = b""
    for time, piece in reply.pieces:
        rest += piece
        held = rest.endswith(b"\r")
        *lines, rest = _ENDS.split(rest[:-1] if held else rest)
        rest += b"\r" if held else b""
        for raw in lines:
            yield time, raw.removeprefix(BOM).decode(errors="replace")
    for raw in _ENDS.split(rest) if rest else ():
        yield perf_counter(), raw.decode(errors="replace")


def read_stream(reply: Reply) -> Answer:
    refuse_errors(reply, "the streaming request")
    if "text/event-stream" not in reply.content_type.lower():
        kind = reply.content_type or "none"
        raise Fault(
            "wire_format",
            f"the content type of a stream is {kind}, not text/event-stream",
            got=reply.exchange.response[:500],
        )
    return _Folding(reply).answer()


class _Folding:
    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._answer = Answer()
        self._content: list[str] = []
        self._saw_content = False
        self._calls: dict[int, dict[str, Any]] = {}
        self._ids: set[Any] = set()
        self._models: set[str] = set()
        self._spoken = False
        self._finishes: list[str] = []
        self._usages: list[Any] = []
        self._began: float | None = None

    def answer(self) -> Answer:
        found, complaints = events(self._reply)
        if not found:
            raise Fault("wire_format", "the stream has no events")
        for text in complaints:
            self._complain(text)
        if not any(data == DONE for _, data in found):
            self._complain("the stream has no [DONE] at its end")
        for time, data in found:
            if data != DONE:
                self._take(time, data)
        self._finish()
        return self._answer

    def _take(self, time: float, data: str) -> None:
        try:
            chunk = loads(data)
        except ValueError:
            raise Fault("wire_format", "an event is not JSON", got=data[:500]) from None
        if not isinstance(chunk, dict):
            raise Fault("wire_format", "an event is no JSON object", got=data[:500])
        if chunk.get("error"):
            raise Fault("server_down", f"an error ended the stream: {chunk['error']}")
        self._ids.add(chunk.get("id"))
        self._models.add(str(chunk.get("model") or ""))
        for text in created_complaints(chunk.get("created")):
            self._complain(text)
        if chunk.get("object") != "chat.completion.chunk":
            self._complain(f"a chunk's object is {chunk.get('object')!r}")
        if chunk.get("usage"):
            self._usages.append(chunk["usage"])
        if not isinstance(chunk.get("choices"), list):
            self._complain(f"a chunk's choices are {chunk.get('choices')!r}, not a list")
        self._answer.without_choices += not chunk.get("choices")
        for choice in chunk.get("choices") or ():
            self._choice(time, choice)

    def _choice(self, time: float, choice: dict[str, Any]) -> None:
        answer = self._answer
        delta = choice.get("delta") or {}
        if choice.get("index") != 0:
            self._complain(f"a choice's index is {choice.get('index')!r}")
        if not self._spoken and delta.get("role") != "assistant":
            self._complain(f"the first delta's role is {delta.get('role')!r}, not 'assistant'")
        self._spoken = True
        content = delta.get("content")
        if content is not None and not isinstance(content, str):
            kind = type(content).__name__
            raise Fault("wire_format", f"a delta's content is {kind}, not a string", got=str(delta))
        if isinstance(content, str):
            self._saw_content = True
            self._content.append(content)
        reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
        answer.reasoning += reasoning
        calls = delta.get("tool_calls") or ()
        if self._finishes and (content or reasoning or calls):
            self._complain("text or calls come after finish_reason")
        if content or reasoning or calls:
            answer.deltas += 1
            if self._began is None:
                self._began = time
        for call in calls:
            self._call(call)
        if choice.get("finish_reason") is not None:
            self._finishes.append(choice["finish_reason"])
            details = choice.get("finish_details")
            answer.why = str(details.get("message", "")) if isinstance(details, dict) else ""

    def _call(self, delta: dict[str, Any]) -> None:
        index = delta.get("index")
        if not isinstance(index, int):
            self._complain("a tool call's delta has no index")
            # Whoever leaves it out means the last call, or a new one where there is a name.
            named = (delta.get("function") or {}).get("name")
            index = max(self._calls, default=-1) + bool(named or not self._calls)
        if index not in self._calls:
            for text in type_complaints(delta):
                self._complain(text)
        known = self._calls.setdefault(index, {"id": "", "name": "", "arguments": ""})
        function = delta.get("function") or {}
        if delta.get("id"):
            if known["id"] not in ("", delta["id"]):
                self._complain("the id of a tool call changes between its deltas")
            known["id"] = delta["id"]
        if function.get("name") and known["name"]:
            self._complain("the name of a tool call comes twice")
        known["name"] += function.get("name") or ""
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            raise Fault("wrong_tool_call", "arguments in a delta are not a string", got=str(delta))
        known["arguments"] += arguments

    def _complain(self, text: str) -> None:
        if text not in self._answer.complaints:
            self._answer.complaints.append(text)

    def _finish(self) -> None:
        answer = self._answer
        answer.content = "".join(self._content) if self._saw_content else None
        for index, call in sorted(self._calls.items()):
            if not call["name"]:
                raise Fault("wrong_tool_call", f"tool call {index} has no name", got=str(call))
            answer.calls.append(Call(call["id"], call["name"], call["arguments"]))
        if len(self._ids) != 1 or not all(self._ids):
            self._complain(f"the chunks of one stream have {len(self._ids)} ids, some may be empty")
        answer.model = max(self._models)
        if "" in self._models:
            self._complain("a chunk names no model")
        if len(self._models) > 1:
            self._complain("the chunks of one stream name different models")
        answer.id = str(min(map(str, self._ids)))
        if len(self._finishes) != 1:
            self._complain(f"finish_reason comes {len(self._finishes)} times, not once")
        if self._finishes:
            answer.finish = self._finishes[-1]
            if answer.finish not in FINISHES:
                self._complain(f"finish_reason is {answer.finish!r}")
        if self._usages:
            answer.usage = self._usages[-1] if isinstance(self._usages[-1], dict) else {}
            # Some tell it with every chunk.
            for text in (text for one in self._usages for text in usage_complaints(one)):
                self._complain(text)
        else:
            self._complain("no usage, though stream_options.include_usage asked for it")
        if self._began is not None:
            answer.first_token_s = round(self._began - self._reply.began, 4)
        if not self._finishes and not answer.text and not answer.calls:
            raise Fault("empty_answer", "the stream ended with neither text nor finish_reason")
