"""Faults that a first look does not show: of a count, of a long prompt, beside tools."""

from typing import Any

from .brain import Said
from .edit import Chunk, Edit, deltas
from .fake import Fake
from .model_mutants import rethink
from .mutant import edited, model

LONG_CHARACTERS = 1000
KEPT_CHARACTERS = 300
HOT = 1.8


class _Counts(Edit):
    """Whole answers and streams count the same, and both wrongly."""

    def count(self, usage: dict[str, Any], text: str) -> None:
        raise NotImplementedError

    def body(self, answer: dict[str, Any]) -> None:
        if "usage" in answer and "choices" in answer:
            said = (one.get("message") or {} for one in answer["choices"])
            self._counted(answer["usage"], "".join(one.get("content") or "" for one in said))

    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        text = "".join(delta.get("content") or "" for delta in deltas(chunks))
        for one in chunks:
            if isinstance(one, dict) and one.get("usage"):
                self._counted(one["usage"], text)
        return chunks

    def _counted(self, usage: dict[str, Any], text: str) -> None:
        self.count(usage, text)
        usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]


@edited("prompt-counted-twice", "a prompt counts twice as many tokens as it has")
class _PromptTwice(_Counts):
    def count(self, usage: dict[str, Any], text: str) -> None:
        usage["prompt_tokens"] *= 2


@edited("characters-counted", "an answer's tokens are its characters", "wrong_answer")
class _Characters(_Counts):
    def count(self, usage: dict[str, Any], text: str) -> None:
        usage["completion_tokens"] = len(text) or usage["completion_tokens"]


@edited("always-length", "every answer says that it was cut off")
class _AlwaysLength(Edit):
    def body(self, answer: dict[str, Any]) -> None:
        for choice in answer["choices"]:
            if choice["finish_reason"] == "stop":
                choice["finish_reason"] = "length"

    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for one in chunks:
            for choice in one["choices"] if isinstance(one, dict) else ():
                if choice["finish_reason"] == "stop":
                    choice["finish_reason"] = "length"
        return chunks


@edited("first-delta-again", "the last delta repeats the first")
class _FirstAgain(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        said = [delta for delta in deltas(chunks) if delta.get("content")]
        if said:
            said[-1]["content"] += said[0]["content"]
        return chunks


@model("brace-too-many", "arguments with one more brace at their end", "wrong_tool_call")
def _brace(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.calls = [(name, raw + "}") for name, raw in said.calls]


@model("system-lost-beside-tools", "with tools, the system prompt is lost", "wrong_answer")
def _no_system(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if body.get("tools"):
        rethink(said, body, messages=[m for m in body["messages"] if m["role"] != "system"])


@model("temperature-whole", "a temperature without a point is ignored", "wrong_answer")
def _whole(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if type(body.get("temperature")) is int:
        rethink(said, body, temperature=HOT)


@model("forgets-the-middle", "of a long prompt only both ends reach the model", "wrong_answer")
def _ends(said: Said, body: dict[str, Any], fake: Fake) -> None:
    last = body["messages"][-1]
    text = last.get("content")
    if isinstance(text, str) and len(text) > LONG_CHARACTERS:
        ends = text[:KEPT_CHARACTERS] + text[-KEPT_CHARACTERS:]
        rethink(said, body, messages=[*body["messages"][:-1], last | {"content": ends}])


@model("empty-lines-lost", "empty lines are lost, but not in streams", "wire_format")
def _empty_lines(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if not body.get("stream") and said.content:
        said.content = said.content.replace("\n\n", "\n")
