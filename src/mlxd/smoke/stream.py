"""A streamed answer: its events, what they add up to, and where they break the contract."""

import json
from typing import Any

from .answer import FINISHES, Answer, Call, refuse_errors, usage_complaints
from .faults import Fault
from .server import Reply


def events(reply: Reply) -> list[tuple[float, str]]:
    """The data of every event with the time at which it was complete."""
    found: list[tuple[float, str]] = []
    rest = b""
    data: list[str] = []
    for time, piece in reply.pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for raw in lines:
            line = raw.removesuffix(b"\r").decode(errors="replace")
            if not line and data:
                found.append((time, "\n".join(data)))
                data = []
            elif line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
    if data or rest.strip():
        cut = "\n".join([*data, rest.decode(errors="replace")])
        raise Fault("wire_format", "the stream ends in the middle of an event", got=cut[:500])
    return found


def read_stream(reply: Reply) -> Answer:
    refuse_errors(reply, "the streaming request")
    if "text/event-stream" not in reply.content_type:
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
        self._finishes: list[str] = []
        self._usages: list[Any] = []
        self._began: float | None = None

    def answer(self) -> Answer:
        found = events(self._reply)
        complain = self._answer.complaints.append
        if not found:
            raise Fault("wire_format", "the stream has no events")
        done = [place for place, (_, data) in enumerate(found) if data == "[DONE]"]
        if not done:
            complain("the stream has no [DONE] at its end")
        elif done[0] != len(found) - 1:
            complain("something comes after [DONE]")
        for time, data in found:
            if data != "[DONE]":
                self._take(time, data)
        self._finish()
        return self._answer

    def _take(self, time: float, data: str) -> None:
        try:
            chunk = json.loads(data)
        except ValueError:
            raise Fault("wire_format", "an event is not JSON", got=data[:500]) from None
        if not isinstance(chunk, dict):
            raise Fault("wire_format", "an event is no JSON object", got=data[:500])
        if chunk.get("error"):
            raise Fault("server_down", f"an error ended the stream: {chunk['error']}")
        self._ids.add(chunk.get("id"))
        if chunk.get("object") != "chat.completion.chunk":
            self._complain(f"a chunk's object is {chunk.get('object')!r}")
        if chunk.get("usage"):
            self._usages.append(chunk["usage"])
        for choice in chunk.get("choices") or ():
            self._choice(time, choice)

    def _choice(self, time: float, choice: dict[str, Any]) -> None:
        answer = self._answer
        delta = choice.get("delta") or {}
        if choice.get("index") != 0:
            self._complain(f"a choice's index is {choice.get('index')!r}")
        if self._finishes and (delta.get("content") or delta.get("tool_calls")):
            self._complain("text or calls come after finish_reason")
        content = delta.get("content")
        if isinstance(content, str):
            self._saw_content = True
            self._content.append(content)
        reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
        answer.reasoning += reasoning
        calls = delta.get("tool_calls") or ()
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
            index = len(self._calls)
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
        if len(self._finishes) != 1:
            self._complain(f"finish_reason comes {len(self._finishes)} times, not once")
        if self._finishes:
            answer.finish = self._finishes[-1]
            if answer.finish not in FINISHES:
                self._complain(f"finish_reason is {answer.finish!r}")
        if self._usages:
            answer.usage = self._usages[-1] if isinstance(self._usages[-1], dict) else {}
            for text in usage_complaints(self._usages[-1]):
                self._complain(text)
        else:
            self._complain("no usage, though stream_options.include_usage asked for it")
        if self._began is not None:
            answer.first_token_s = round(self._began - self._reply.began, 4)
        if not self._finishes and not answer.text and not answer.calls:
            raise Fault("empty_answer", "the stream ended with neither text nor finish_reason")
