"""Faults that show only in one way of asking, or only to who looks twice."""

import json
import time
import unicodedata
from typing import Any

from .brain import Said, pieces
from .edit import Chunk, Edit, deltas
from .fake import Fake
from .model_mutants import rethink
from .mutant import edited, model

MOST_TOKENS = 100
# Long enough to be told from the time that the fake server takes.
HELD_S = 1.5


@model("answers-the-one-before", "each client gets the answer before its own", "wrong_answer")
def _before(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        with fake.lock:
            before = fake.memory.get("before", said.content)
            fake.memory["before"] = said.content
        said.content = before


@model("cut-at-a-hundred", "breaks off after 100 tokens, and says stop", "wire_format")
def _hundred(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.completion_tokens > MOST_TOKENS and (body.get("max_tokens") or 0) < 2000:
        said.content = "".join(pieces(said.content or "")[:MOST_TOKENS])
        said.completion_tokens, said.finish = MOST_TOKENS, "stop"


@model("cached-by-last-message", "a question is answered as it was the last time", "wrong_answer")
def _by_last(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content and "What is the code" in (last := str(body["messages"][-1]["content"]))[:30]:
        said.content = fake.memory.setdefault(last, said.content)


@model("trailing-comma", "arguments with a comma too many", "wrong_tool_call")
def _comma(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.calls = [(name, raw.replace("}", ",}")) for name, raw in said.calls]


@model("schema-flat-only", "a schema is ignored from its second level on", "wrong_answer")
def _flat(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if body.get("response_format") and said.content:
        made = json.loads(said.content)
        nested = {key: {} if isinstance(one, dict) else one for key, one in made.items()}
        said.content = json.dumps(nested, ensure_ascii=False)


@model("schema-not-streamed", "a schema is ignored in streams", "wrong_answer")
def _schema_streamed(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if body.get("response_format") and body.get("stream"):
        said.content = "Here is your object."


@model("seed-not-streamed", "a seed counts only without a stream", "wrong_answer")
def _seed_streamed(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if body.get("stream"):
        rethink(said, body, seed=None)


@model("stop-not-streamed", "streams go on past stop", "wrong_answer")
def _stop_streamed(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if body.get("stream"):
        rethink(said, body, stop=None)


@model("stop-list-only", "stop as a string is ignored", "wrong_answer")
def _stop_string(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if isinstance(body.get("stop"), str):
        rethink(said, body, stop=None)


@model("first-stop-only", "of several stop sequences only the first counts", "wrong_answer")
def _first_stop(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if isinstance(body.get("stop"), list):
        rethink(said, body, stop=body["stop"][:1])


@model("max-tokens-streamed-only", "max_tokens counts only in streams", "wrong_answer")
def _limit_streamed(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if not body.get("stream"):
        rethink(said, body, max_tokens=None)


@model("max-tokens-not-streamed", "max_tokens counts only without a stream", "wrong_answer")
def _limit_whole(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if body.get("stream"):
        rethink(said, body, max_tokens=None)


@model("max-completion-tokens", "max_completion_tokens is ignored", "wrong_answer")
def _newer_name(said: Said, body: dict[str, Any], fake: Fake) -> None:
    rethink(said, body, max_completion_tokens=None)


@model("result-as-json", "the whole JSON of a tool's result is the answer", "wrong_answer")
def _as_json(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if body["messages"][-1]["role"] == "tool":
        said.content = body["messages"][-1]["content"]


@model("numbers-not-read", "a tool's result is ignored where it is a number", "wrong_answer")
def _numbers(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if body["messages"][-1]["role"] == "tool" and (said.content or "").isdecimal():
        said.content = "0"


@model("last-part-only", "of a message's parts only the last is read", "wrong_answer")
def _last_part(said: Said, body: dict[str, Any], fake: Fake) -> None:
    last = body["messages"][-1]
    texts = last["content"] if isinstance(last.get("content"), list) else []
    if texts and all(part["type"] == "text" for part in texts):
        rethink(said, body, messages=[last | {"content": texts[-1:]}])


@model("blind-in-streams", "pictures are seen only without a stream", "wrong_answer")
def _blind_streams(said: Said, body: dict[str, Any], fake: Fake) -> None:
    content = body["messages"][-1].get("content")
    if body.get("stream") and "image_url" in str(content)[:200]:
        said.content = "A lovely picture."


def _changes(name: str, fault: str, change: Any) -> None:
    def twist(said: Said, body: dict[str, Any], fake: Fake) -> None:
        if said.content and not body.get("stream"):
            said.content = change(said.content)

    model(name, fault, "wrong_answer")(twist)


def _without(*lost: str) -> Any:
    return lambda text: "".join(one for one in text if one not in lost)


_changes("decomposes", "accents are taken off their letters", lambda text: _form("NFD", text))
_changes("marks-dropped", "marks that turn the direction of writing are lost",
         _without("\u200e", "\u200f"))  # fmt: skip
_changes("emoji-dropped", "what is beyond 16 bits is lost",
         lambda text: "".join(one for one in text if ord(one) < 0x10000))  # fmt: skip
_changes("joiners-dropped", "characters that join others are lost", _without("\u200d"))
_changes("spaces-alike", "every space is an ordinary one", lambda text: text.replace("\xa0", " "))
_changes("carriage-returns-lost", "CR in a string of JSON is lost",
         lambda text: text.replace("\\r", ""))  # fmt: skip


def _form(name: Any, text: str) -> str:
    return unicodedata.normalize(name, text)


@model("none-beside-a-call", "the text beside a call is the word None", "wire_format")
def _none(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.calls:
        said.content = "None"


@edited("stream-held-back", "a stream comes only when all of it is there")
class _HeldBack(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        if len(chunks) > 30:
            time.sleep(HELD_S)
        return chunks


@edited("last-delta-lost", "every stream lacks its last token")
class _LastLost(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        spoken = [delta for delta in deltas(chunks) if delta.get("content")]
        if spoken:
            spoken[-1]["content"] = ""
        return chunks


@edited("deltas-trimmed", "deltas lose the spaces at their ends")
class _Trimmed(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for delta in deltas(chunks):
            if delta.get("content"):
                delta["content"] = delta["content"].strip()
        return chunks


@edited("deltas-cumulative", "each delta has all of the text so far")
class _Cumulative(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        so_far = ""
        for delta in deltas(chunks):
            if delta.get("content"):
                so_far += delta["content"]
                delta["content"] = so_far
        return chunks


@edited("usage-in-every-chunk", "usage in every chunk, and only the last adds up")
class _EveryChunk(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for number, one in enumerate(chunks):
            if isinstance(one, dict) and one["choices"]:
                wrong = {"prompt_tokens": 5, "completion_tokens": number, "total_tokens": 1}
                one["usage"] = wrong
        return chunks


@edited("stream-model-missing", "chunks name no model")
class _NoModel(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for one in chunks:
            if isinstance(one, dict):
                one.pop("model")
        return chunks


@edited("no-end-of-call-streams", "streams of tool calls lack usage")
class _CallStreams(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        if any(delta.get("tool_calls") for delta in deltas(chunks)):
            return [one for one in chunks if "usage" not in one]
        return chunks


@edited("streamed-call-says-stop", "streams of tool calls end with stop")
class _CallStops(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for one in chunks:
            for choice in one["choices"] if isinstance(one, dict) else ():
                if choice["finish_reason"] == "tool_calls":
                    choice["finish_reason"] = "stop"
        return chunks
