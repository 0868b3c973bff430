"""Every mutant of the correct server: one fault each, and the category it has to be put into."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlxd.smoke import Category

from .brain import Said, think
from .fake import Fake, Twist

# Of one answer: for mutants that answer, and for those that never do.
TIMEOUT_S = 10.0
SHORT_TIMEOUT_S = 0.25


@dataclass(frozen=True)
class Mutant:
    name: str
    fault: str
    category: Category
    twist: Twist | None = None
    slow: bool = False

    @property
    def timeout(self) -> float:
        return SHORT_TIMEOUT_S if self.slow else TIMEOUT_S


MUTANTS: list[Mutant] = []


def _wire(name: str, fault: str, category: Category = "wire_format", *, slow: bool = False) -> None:
    """The switch is in the fake server."""
    MUTANTS.append(Mutant(name, fault, category, slow=slow))


def _model(name: str, fault: str, category: Category) -> Callable[[Twist], Twist]:
    """What the model says is changed on its way out."""

    def add(twist: Twist) -> Twist:
        MUTANTS.append(Mutant(name, fault, category, twist))
        return twist

    return add


_wire("hang-before-headers", "never answers", "timeout", slow=True)
_wire("hang-after-headers", "sends headers and then nothing", "timeout", slow=True)
_wire("slow-drip", "sends a byte every now and then", "timeout", slow=True)
_wire("busy-after-cancel", "goes on computing for a client that left", "timeout")
_wire("closes-before-headers", "closes the connection instead of answering", "server_down")
_wire("dies-mid-stream", "closes the connection in the middle of a stream", "server_down")
_wire("gone-after-a-while", "stops listening after twenty answers", "server_down")
_wire("http-500", "answers everything with HTTP 500", "server_down")
_wire("dies-of-bad-input", "answers nothing any more after a bad request", "server_down")
_wire("error-in-stream", "ends streams with an error event", "server_down")
_wire("error-in-200", "HTTP 200 with an error object")
_wire("html-error", "an HTML page of a proxy")
_wire("wrong-content-type", "JSON as text/plain")
_wire("stream-content-type", "a stream as application/json")
_wire("body-cut", "half of the JSON body, with a matching length")
_wire("no-choices", "choices is empty")
_wire("content-is-a-list", "content is a list of parts")
_wire("calls-are-a-number", "tool_calls is a number")
_wire("usage-is-text", "usage counts are strings")
_wire("gzip-that-is-none", "content-encoding names what the body is not")
_wire("too-short-a-body", "content-length promises more than comes", "server_down")
_wire("role-missing", "the message has no role")
_wire("finish-null", "finish_reason is null in a whole answer")
_wire("usage-missing", "no usage")
_wire("usage-off-by-one", "total_tokens is one too many")
_wire("stream-counts-differ", "usage of a stream counts one token more")
_wire("stale-models", "lists a model that it does not have")
_wire("no-done", "no [DONE] at the end of a stream")
_wire("after-done", "a chunk after [DONE]")
_wire("cut-without-end", "streams end in the middle of an event")
_wire("finish-twice", "finish_reason comes twice")
_wire("chunk-ids-differ", "each chunk has an id of its own")
_wire("deltas-dropped", "a delta is lost")
_wire("deltas-duplicated", "each delta comes twice")
_wire("stream-differs", "a stream says something else than a whole answer")
_wire("unicode-broken", "characters are cut at the borders of chunks")
_wire("call-without-id", "tool calls have no id")
_wire("calls-share-an-id", "parallel calls have the same id")
_wire("accepts-anything", "answers bad requests as if they were good")
_wire("bad-input-500", "HTTP 500 for a client's mistake")
_wire("arguments-twice-encoded", "arguments are JSON in a JSON string", "wrong_tool_call")
_wire("arguments-not-a-string", "arguments are an object", "wrong_tool_call")
_wire("call-deltas-dropped", "the first delta of the arguments is lost", "wrong_tool_call")
_wire("answers-swapped", "two clients get each other's answers", "wrong_answer")
_wire("embeddings-out-of-order", "vectors of a batch in the wrong order", "wrong_answer")
_wire("embeddings-constant", "one vector for every text", "wrong_answer")


@_model("empty-200", "an error in the engine comes back as an empty success", "empty_answer")
def _empty(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.content, said.calls, said.finish, said.completion_tokens = "", [], "stop", 0


@_model("content-null", "tokens are counted, but content is null", "empty_answer")
def _null(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.content = None


@_model("ends-at-once", "the first token ends the answer", "empty_answer")
def _at_once(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.content, said.calls, said.finish, said.completion_tokens = "", [], "stop", 1


@_model("only-spaces", "nothing but line ends", "empty_answer")
def _spaces(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.content, said.calls, said.finish = "\n \n", [], "stop"


@_model("thinks-for-ever", "all tokens go into reasoning", "reasoning_budget")
def _thinks(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.reasoning, said.content, said.calls, said.finish = "Let me see. " * 9, "", [], "length"
    said.completion_tokens = body.get("max_tokens", 9)


@_model("reasoning-leaked", "reasoning stands in the text, tags and all", "markup_leaked")
def _leaked(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = f"<think>What is asked?</think>\n{said.content}"


@_model("think-unclosed", "a think tag that never ends", "markup_leaked")
def _unclosed(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = f"<think>{said.content}"


@_model("special-token", "the end mark of the template stands in the text", "markup_leaked")
def _special(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content += "<|im_end|>"


@_model("call-as-text", "a tool call comes as text", "markup_leaked")
def _as_text(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.calls:
        name, arguments = said.calls[0]
        said.content = f'<tool_call>{{"name": "{name}", "arguments": {arguments}}}</tool_call>'
        said.calls, said.finish = [], "stop"


@_model("tool-renamed", "another name than the tool's", "wrong_tool_call")
def _renamed(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.calls = [(f"functions.{name}", arguments) for name, arguments in said.calls]


@_model("arguments-broken", "arguments that are no JSON", "wrong_tool_call")
def _broken(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.calls = [(name, arguments[:-1]) for name, arguments in said.calls]


@_model("arguments-changed", "an argument has another value", "wrong_tool_call")
def _changed(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.calls = [(name, json.dumps({"city": "Paris"})) for name, _ in said.calls]


@_model("never-calls", "describes the call in words", "wrong_tool_call")
def _never(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.calls:
        said.content, said.calls, said.finish = f"I would call {said.calls[0][0]}.", [], "stop"


@_model("one-call-only", "the second of two calls is lost", "wrong_tool_call")
def _one_only(said: Said, body: dict[str, Any], fake: Fake) -> None:
    del said.calls[1:]


@_model("calls-again", "calls the tool again instead of reading its answer", "wrong_tool_call")
def _again(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if body["messages"][-1]["role"] == "tool":
        call = body["messages"][-2]["tool_calls"][0]["function"]
        said.calls, said.content = [(call["name"], call["arguments"])], None
        said.finish = "tool_calls"


@_model("ignores-tool-choice", "calls or not as it likes", "wrong_tool_call")
def _ignores_choice(said: Said, body: dict[str, Any], fake: Fake) -> None:
    _rethink(said, body, tool_choice="auto")


@_model("finish-not-tool-calls", "finish_reason of a call is stop", "wire_format")
def _finish(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.calls:
        said.finish = "stop"


@_model("length-as-stop", "a cut-off answer says stop", "wire_format")
def _length(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.finish == "length":
        said.finish = "stop"


@_model("always-42", "the answer is always 42", "wrong_answer")
def _always_42(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = "42"


@_model("always-ok", "the answer is always OK", "wrong_answer")
def _always_ok(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = "OK"


@_model("chatty", "says more than it was asked for", "wrong_answer")
def _chatty(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = f"Sure! Here it is: {said.content}"


@_model("small-letters", "everything in small letters", "wrong_answer")
def _small(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = said.content.lower()


@_model("mojibake", "UTF-8 read as Latin-1", "wrong_answer")
def _mojibake(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = said.content.encode().decode("latin-1")


@_model("no-chinese", "drops what is not ASCII", "wrong_answer")
def _ascii(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = said.content.encode("ascii", "ignore").decode()


@_model("cached-answer", "answers a new prompt from its cache", "wrong_answer")
def _cached(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        start = str(body["messages"][0]["content"])[:24]
        said.content = fake.memory.setdefault(start, said.content)


@_model("flaky", "wrong one time in ten", "wrong_answer")
def _flaky(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content and fake.answers % 10 == 0:
        said.content = "I am not sure."


@_model("invents-results", "ignores what the tool answered", "wrong_answer")
def _invents(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if body["messages"][-1]["role"] == "tool":
        said.content = "ABC-1234"


@_model("ignores-stop", "goes on past stop sequences", "wrong_answer")
def _ignores_stop(said: Said, body: dict[str, Any], fake: Fake) -> None:
    _rethink(said, body, stop=None)


@_model("stop-kept", "the stop sequence stands at the end of the answer", "wrong_answer")
def _stop_kept(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if body.get("stop") and said.content is not None:
        said.content += body["stop"][0]


@_model("ignores-max-tokens", "goes on past max_tokens", "wrong_answer")
def _ignores_limit(said: Said, body: dict[str, Any], fake: Fake) -> None:
    _rethink(said, body, max_tokens=None)


@_model("ignores-seed", "another answer for the same seed", "wrong_answer")
def _ignores_seed(said: Said, body: dict[str, Any], fake: Fake) -> None:
    _rethink(said, body, seed=None)


@_model("ignores-schema", "prose where JSON was asked for", "wrong_answer")
def _ignores_schema(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if body.get("response_format"):
        said.content = "Here is your object: it has three keys."


@_model("schema-extra-key", "a key that the schema does not allow", "wrong_answer")
def _extra(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if (body.get("response_format") or {}).get("type") == "json_schema" and said.content:
        said.content = json.dumps(json.loads(said.content) | {"note": "extra"})


@_model("blind", "answers about pictures without seeing them", "wrong_answer")
def _blind(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if isinstance(body["messages"][-1].get("content"), list):
        said.content = "A lovely picture."


@_model("forgets", "only the end of a long prompt reaches the model", "wrong_answer")
def _forgets(said: Said, body: dict[str, Any], fake: Fake) -> None:
    last = body["messages"][-1]
    if isinstance(last.get("content"), str) and len(last["content"]) > 1000:
        short = [*body["messages"][:-1], last | {"content": last["content"][-300:]}]
        _rethink(said, body, messages=short)


def _rethink(said: Said, body: dict[str, Any], **other: Any) -> None:
    """As if the request had been another one."""
    changed = {name: value for name, value in (body | other).items() if value is not None}
    said.__dict__.update(think(changed).__dict__)
