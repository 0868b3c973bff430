"""Faults beside the text: lists, vectors, probabilities, errors, and what is asked seldom."""

import json
from typing import Any

from .brain import Said
from .edit import DONE, Chunk, Edit, deltas
from .fake import FOR_EVER_S, Fake
from .model_mutants import rethink
from .mutant import edited, model

Body = dict[str, Any]
MODELS = "/v1/models"
EMBEDDINGS = "/v1/embeddings"
NO_TIME_S = "0"
SLOTS = 10


def _vectors(body: Body) -> list[Body]:
    return list(body["data"])


class _Models(Edit):
    def models(self, body: Body) -> Body:
        return body

    def reply(self, path: str, status: int, body: Body) -> tuple[int, Body]:
        return status, self.models(body) if path == MODELS else body


@edited("models-as-an-object", "data of the list of models is an object")
class _ModelsObject(_Models):
    def models(self, body: Body) -> Body:
        return body | {"data": {one["id"]: one for one in body["data"]}}


@edited("models-are-names", "the list of models has names instead of objects")
class _ModelNames(_Models):
    def models(self, body: Body) -> Body:
        return body | {"data": [one["id"] for one in body["data"]] + ["video"]}


@edited("models-listed-twice", "the list of models names each of them twice")
class _ModelsTwice(_Models):
    def models(self, body: Body) -> Body:
        return body | {"data": body["data"] * 2}


@edited("models-of-another-kind", "entries of the list say that they are something else")
class _ModelsKind(_Models):
    def models(self, body: Body) -> Body:
        return body | {"data": [one | {"object": "engine"} for one in body["data"]]}


@edited("another-model-shown", "/v1/models/NAME shows another model")
class _Shown(Edit):
    def reply(self, path: str, status: int, body: Body) -> tuple[int, Body]:
        return status, body | {"id": "other"} if path.startswith(f"{MODELS}/") else body


class _Embeddings(Edit):
    def vectors(self, body: Body) -> None: ...

    def reply(self, path: str, status: int, body: Body) -> tuple[int, Body]:
        if path == EMBEDDINGS and status == 200:
            self.vectors(body)
        return status, body


@edited("embeddings-without-usage", "no usage with vectors")
class _NoUsage(_Embeddings):
    def vectors(self, body: Body) -> None:
        del body["usage"]


@edited("embeddings-all-number-0", "every vector of a batch is number 0")
class _Number(_Embeddings):
    def vectors(self, body: Body) -> None:
        for one in _vectors(body):
            one["index"] = 0


@edited("embeddings-not-unit", "vectors are longer than 1", "wrong_answer")
class _Long(_Embeddings):
    def vectors(self, body: Body) -> None:
        for one in _vectors(body):
            if isinstance(one["embedding"], list):
                one["embedding"] = [3 * number for number in one["embedding"]]


@edited("embeddings-last-lost", "the last of several vectors is lost")
class _LastLost(_Embeddings):
    def vectors(self, body: Body) -> None:
        if len(body["data"]) > 1:
            body["data"].pop()


@edited("embeddings-big-endian", "bytes of base64 vectors in the wrong order", "wrong_answer")
class _BigEndian(_Embeddings):
    def vectors(self, body: Body) -> None:
        import base64

        for one in _vectors(body):
            if isinstance(one["embedding"], str):
                raw = base64.b64decode(one["embedding"])
                turned = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
                one["embedding"] = base64.b64encode(turned).decode()


@edited("error-without-a-message", "errors have no message")
class _NoMessage(Edit):
    def reply(self, path: str, status: int, body: Body) -> tuple[int, Body]:
        return status, {"error": {}} if status >= 400 else body


@edited("unknown-path-200", "any path is answered, and with 200")
class _AnyPath(Edit):
    def reply(self, path: str, status: int, body: Body) -> tuple[int, Body]:
        return (200, {"ok": True}) if "no such path" in str(body) else (status, body)


@edited("streamed-errors-200", "a bad request for a stream gets 200")
class _StreamedError(Edit):
    def reply(self, path: str, status: int, body: Body) -> tuple[int, Body]:
        return (200, body) if status >= 400 and self.streamed else (status, body)

    def refuse(self, fake: Fake) -> tuple[int, str] | None:
        self.streamed = False
        return None

    def heard(self, body: Body) -> None:
        self.streamed = bool(body.get("stream"))


@edited("no-messages-accepted", "an empty list of messages is answered")
class _NoMessages(Edit):
    def heard(self, body: Body) -> None:
        if body.get("messages") == []:
            body["messages"] = [{"role": "user", "content": "Hello"}]


@edited("temperature-unchecked", "a temperature that is a word is answered")
class _AnyTemperature(Edit):
    def heard(self, body: Body) -> None:
        if isinstance(body.get("temperature"), str):
            body["temperature"] = 0


@edited("busy-for-ever", "HTTP 429 for ever, and to come again at once", "timeout", slow=True)
class _Busy(Edit):
    def refuse(self, fake: Fake) -> tuple[int, str] | None:
        return 429, "too many requests"

    def headers(self, status: int, data: bytes) -> dict[str, str]:
        return {"retry-after": NO_TIME_S} if status == 429 else {}


def _listed(change: Any) -> type[Edit]:
    """Changes the entries of logprobs, whole and streamed."""

    class _Logprobs(Edit):
        def body(self, answer: Body) -> None:
            for choice in answer["choices"]:
                if choice.get("logprobs"):
                    choice["logprobs"]["content"] = change(choice["logprobs"]["content"])

        def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
            for one in chunks:
                if isinstance(one, dict):
                    self.body(one)
            return chunks

    return _Logprobs


edited("logprob-of-another", "a token has another probability among the best than by itself")(
    _listed(lambda listed: [one | {"logprob": one["logprob"] - 2} for one in listed])
)
edited("logprobs-all-0", "every token is said to be certain")(
    _listed(
        lambda listed: [
            one
            | {"logprob": 0.0, "top_logprobs": [t | {"logprob": 0.0} for t in one["top_logprobs"]]}
            for one in listed
        ]
    )
)


@edited("logprobs-not-streamed", "a stream's logprobs lack every second token")
class _HalfLogprobs(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for number, one in enumerate(chunks):
            if isinstance(one, dict) and number % 2:
                for choice in one["choices"]:
                    choice.pop("logprobs", None)
        return chunks


@edited("choices-null", "the last chunks have null for choices")
class _ChoicesNull(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for one in chunks:
            if isinstance(one, dict) and not one["choices"]:
                one["choices"] = None  # type: ignore[assignment]
        return chunks


@edited("usage-unasked", "a chunk without choices, though nobody asked for usage")
class _Unasked(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        if any(isinstance(one, dict) and "usage" in one for one in chunks):
            return chunks
        first = next(one for one in chunks if isinstance(one, dict))
        usage = {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
        at = chunks.index(DONE)
        return [*chunks[:at], {**first, "choices": [], "usage": usage}, *chunks[at:]]


@edited("call-type-missing", "tool calls do not say that they are functions")
class _NoType(Edit):
    def body(self, answer: Body) -> None:
        for choice in answer["choices"]:
            for call in choice["message"].get("tool_calls") or ():
                del call["type"]

    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for delta in deltas(chunks):
            for call in delta.get("tool_calls") or ():
                call.pop("type", None)
        return chunks


@edited("call-ids-repeat", "each answer's first call has the same id")
class _CallIds(Edit):
    def body(self, answer: Body) -> None:
        for choice in answer["choices"]:
            for number, call in enumerate(choice["message"].get("tool_calls") or ()):
                call["id"] = f"call_{number}"

    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for delta in deltas(chunks):
            for call in delta.get("tool_calls") or ():
                if call.get("id"):
                    call["id"] = f"call_{call['index']}"
        return chunks


@edited("completion-counted-twice", "answers count one token more than they have")
class _OneMore(Edit):
    def body(self, answer: Body) -> None:
        if usage := answer.get("usage"):
            usage["completion_tokens"] += 1
            usage["total_tokens"] += 1

    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for one in chunks:
            if isinstance(one, dict):
                self.body(one)
        return chunks


@edited("utf-16", "answers are UTF-16")
class _Utf16(Edit):
    def data(self, data: bytes) -> bytes:
        return data.decode().encode("utf-16-le")


@edited("half-a-character", "a character beyond 16 bits is cut in two in JSON")
class _Half(Edit):
    def lines(self, data: bytes) -> bytes:
        return data.replace("🎉".encode(), b"\\ud83c")


@edited("half-a-character-always", "half of a character stands in every answer", "wrong_answer")
class _HalfAlways(Edit):
    def data(self, data: bytes) -> bytes:
        return data.replace(b'"content": "', b'"content": "\\ud83d')

    lines = data


@model("control-characters", "zero bytes and escapes stand in every answer", "wrong_answer")
def _control(said: Said, body: Body, fake: Fake) -> None:
    if said.content and not body.get("response_format"):
        said.content += "\x00\x1b[31m</script>"


@model("carriage-returns-dropped", "the model says CR, and the answer has none", "wrong_answer")
def _no_returns(said: Said, body: Body, fake: Fake) -> None:
    if said.content:
        said.content = said.content.replace("\r", "")


@model("html-escaped", "what HTML would escape is escaped", "wrong_answer")
def _escaped(said: Said, body: Body, fake: Fake) -> None:
    if said.content:
        said.content = said.content.replace("&", "&amp;").replace("<", "&lt;")


@model("percent-decoded", "%41 becomes A", "wrong_answer")
def _percent(said: Said, body: Body, fake: Fake) -> None:
    if said.content:
        said.content = said.content.replace("%41", "A")


@model("backslashes-halved", "two backslashes become one", "wrong_answer")
def _backslashes(said: Said, body: Body, fake: Fake) -> None:
    if said.content and body.get("response_format"):
        said.content = said.content.replace("\\\\", "\\")


@model("keys-twice", "an object of JSON has a key twice", "wrong_answer")
def _keys(said: Said, body: Body, fake: Fake) -> None:
    if said.content and body.get("response_format"):
        said.content = said.content[:-1] + ", " + said.content[1:]


@model("seed-0-is-none", "seed 0 is taken for no seed", "wrong_answer")
def _seed_0(said: Said, body: Body, fake: Fake) -> None:
    if body.get("seed") == 0:
        rethink(said, body, seed=None)


@model("every-seed-alike", "every seed gives the same answer", "wrong_answer")
def _seeds(said: Said, body: Body, fake: Fake) -> None:
    if body.get("seed") is not None:
        rethink(said, body, seed=1)


@model("ignores-top-p", "top_p is ignored", "wrong_answer")
def _top_p(said: Said, body: Body, fake: Fake) -> None:
    if "seed" not in body:
        rethink(said, body, top_p=None)


@model("stop-at-the-last", "of two stop sequences the one further on counts", "wrong_answer")
def _stop_last(said: Said, body: Body, fake: Fake) -> None:
    if isinstance(body.get("stop"), list) and len(body["stop"]) > 1:
        free = Said()
        rethink(free, body, stop=None)
        text = free.content or ""
        found = {text.rfind(one): one for one in body["stop"] if one in text}
        if found:
            rethink(said, body, stop=[found[max(found)]])


@model("stop-half-kept-back", "what might begin a stop sequence is never sent", "wrong_answer")
def _held(said: Said, body: Body, fake: Fake) -> None:
    stops = body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        for size in range(len(stop) - 1, 0, -1):
            if said.content and said.content.endswith(stop[:size]):
                said.content = said.content[:-size]
                break


@model("empty-arguments", "a call without arguments has no JSON at all", "wrong_tool_call")
def _empty_arguments(said: Said, body: Body, fake: Fake) -> None:
    said.calls = [(name, "" if raw == "{}" else raw) for name, raw in said.calls]


@model("arguments-all-text", "every argument is a string", "wrong_tool_call")
def _all_text(said: Said, body: Body, fake: Fake) -> None:
    said.calls = [
        (name, json.dumps({key: str(one) for key, one in json.loads(raw).items()}))
        for name, raw in said.calls
    ]


@model("results-swapped", "results of two calls are taken for each other's", "wrong_answer")
def _results(said: Said, body: Body, fake: Fake) -> None:
    last = body["messages"][-1]
    if last["role"] == "tool" and body["messages"][-2]["role"] == "tool":
        said.content = ", ".join(reversed((said.content or "").split(", ")))


@model("last-result-only", "of the results of two calls only the last is read", "wrong_answer")
def _last_result(said: Said, body: Body, fake: Fake) -> None:
    if body["messages"][-1]["role"] == "tool":
        said.content = (said.content or "").split(", ")[-1]


@model("result-in-parts-lost", "a tool's result in parts is not read", "wrong_answer")
def _parts(said: Said, body: Body, fake: Fake) -> None:
    last = body["messages"][-1]
    if last["role"] == "tool" and isinstance(last["content"], list):
        said.content = "None"


@model("leftovers", "the answer of a client that left comes before the next one's", "wrong_answer")
def _leftovers(said: Said, body: Body, fake: Fake) -> None:
    if "Count from 1 to 2000" in str(body["messages"]):
        fake.memory["left"] = "1, 2, 3, 4, 5, 6, "
    elif said.content:
        said.content = fake.memory.pop("left", "") + said.content


@edited("reasoning-in-streams-text", "reasoning stands in the text of streams", "markup_leaked")
class _ReasoningStreamed(Edit):
    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for delta in deltas(chunks):
            if delta.get("reasoning_content"):
                delta["content"] = delta.pop("reasoning_content")
        return chunks


@edited("colours-turned", "red and blue of pictures are exchanged", "wrong_answer")
class _Colours(Edit):
    def heard(self, body: Body) -> None:
        self.seen = "image_url" in str(body)[:400]

    def body(self, answer: Body) -> None:
        message = answer["choices"][0]["message"]
        turned = {"red": "blue", "blue": "red"}
        if getattr(self, "seen", False):
            message["content"] = turned.get(message["content"], message["content"])


@edited("slots-leak", "each client that leaves takes a slot along, of ten", "timeout", slow=True)
class _Slots(Edit):
    def __init__(self) -> None:
        self.left = 0

    def heard(self, body: Body) -> None:
        self.left += "Count from 1 to 2000" in str(body.get("messages"))

    def refuse(self, fake: Fake) -> tuple[int, str] | None:
        if self.left > SLOTS:
            fake.closing.wait(FOR_EVER_S)
        return None
