"""Faults of what the model says."""

import json
from typing import Any

from .brain import Said, think
from .fake import Fake
from .mutant import model


@model("empty-200", "an error in the engine comes back as an empty success", "empty_answer")
def _empty(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.content, said.calls, said.finish, said.completion_tokens = "", [], "stop", 0


@model("content-null", "tokens are counted, but content is null", "empty_answer")
def _null(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.content = None


@model("ends-at-once", "the first token ends the answer", "empty_answer")
def _at_once(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.content, said.calls, said.finish, said.completion_tokens = "", [], "stop", 1


@model("only-spaces", "nothing but line ends", "empty_answer")
def _spaces(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.content, said.calls, said.finish = "\n \n", [], "stop"


@model("thinks-for-ever", "all tokens go into reasoning", "reasoning_budget")
def _thinks(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.reasoning, said.content, said.calls, said.finish = "Let me see. " * 9, "", [], "length"
    said.completion_tokens = body.get("max_tokens", 9)


@model("reasoning-leaked", "reasoning stands in the text, tags and all", "markup_leaked")
def _leaked(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = f"<think>What is asked?</think>\n{said.content}"


@model("think-unclosed", "a think tag that never ends", "markup_leaked")
def _unclosed(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = f"<think>{said.content}"


@model("special-token", "the end mark of the template stands in the text", "markup_leaked")
def _special(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content += "<|im_end|>"


@model("call-as-text", "a tool call comes as text", "markup_leaked")
def _as_text(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.calls:
        name, arguments = said.calls[0]
        said.content = f'<tool_call>{{"name": "{name}", "arguments": {arguments}}}</tool_call>'
        said.calls, said.finish = [], "stop"


@model("tool-renamed", "another name than the tool's", "wrong_tool_call")
def _renamed(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.calls = [(f"functions.{name}", arguments) for name, arguments in said.calls]


@model("arguments-broken", "arguments that are no JSON", "wrong_tool_call")
def _broken(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.calls = [(name, arguments[:-1]) for name, arguments in said.calls]


@model("arguments-changed", "an argument has another value", "wrong_tool_call")
def _changed(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.calls = [(name, json.dumps({"city": "Paris"})) for name, _ in said.calls]


@model("never-calls", "describes the call in words", "wrong_tool_call")
def _never(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.calls:
        said.content, said.calls, said.finish = f"I would call {said.calls[0][0]}.", [], "stop"


@model("one-call-only", "the second of two calls is lost", "wrong_tool_call")
def _one_only(said: Said, body: dict[str, Any], fake: Fake) -> None:
    del said.calls[1:]


@model("calls-again", "calls the tool again instead of reading its answer", "wrong_tool_call")
def _again(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if body["messages"][-1]["role"] == "tool":
        call = body["messages"][-2]["tool_calls"][0]["function"]
        said.calls, said.content = [(call["name"], call["arguments"])], None
        said.finish = "tool_calls"


@model("ignores-tool-choice", "calls or not as it likes", "wrong_tool_call")
def _ignores_choice(said: Said, body: dict[str, Any], fake: Fake) -> None:
    rethink(said, body, tool_choice="auto")


@model("finish-not-tool-calls", "finish_reason of a call is stop", "wire_format")
def _finish(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.calls:
        said.finish = "stop"


@model("length-as-stop", "a cut-off answer says stop", "wire_format")
def _length(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.finish == "length":
        said.finish = "stop"


@model("always-42", "the answer is always 42", "wrong_answer")
def _always_42(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = "42"


@model("always-ok", "the answer is always OK", "wrong_answer")
def _always_ok(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = "OK"


@model("chatty", "says more than it was asked for", "wrong_answer")
def _chatty(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = f"Sure! Here it is: {said.content}"


@model("small-letters", "everything in small letters", "wrong_answer")
def _small(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = said.content.lower()


@model("mojibake", "UTF-8 read as Latin-1", "wrong_answer")
def _mojibake(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = said.content.encode().decode("latin-1")


@model("no-chinese", "drops what is not ASCII", "wrong_answer")
def _ascii(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = said.content.encode("ascii", "ignore").decode()


@model("cached-answer", "answers a new prompt from its cache", "wrong_answer")
def _cached(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        start = str(body["messages"][0]["content"])[:24]
        said.content = fake.memory.setdefault(start, said.content)


@model("flaky", "wrong one time in ten", "wrong_answer")
def _flaky(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content and fake.answers % 10 == 0:
        said.content = "I am not sure."


@model("invents-results", "ignores what the tool answered", "wrong_answer")
def _invents(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if body["messages"][-1]["role"] == "tool":
        said.content = "ABC-1234"


@model("ignores-stop", "goes on past stop sequences", "wrong_answer")
def _ignores_stop(said: Said, body: dict[str, Any], fake: Fake) -> None:
    rethink(said, body, stop=None)


@model("stop-kept", "the stop sequence stands at the end of the answer", "wrong_answer")
def _stop_kept(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if body.get("stop") and said.content is not None:
        said.content += body["stop"][0]


@model("ignores-max-tokens", "goes on past max_tokens", "wrong_answer")
def _ignores_limit(said: Said, body: dict[str, Any], fake: Fake) -> None:
    rethink(said, body, max_tokens=None)


@model("ignores-seed", "another answer for the same seed", "wrong_answer")
def _ignores_seed(said: Said, body: dict[str, Any], fake: Fake) -> None:
    rethink(said, body, seed=None)


@model("ignores-schema", "prose where JSON was asked for", "wrong_answer")
def _ignores_schema(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if body.get("response_format"):
        said.content = "Here is your object: it has three keys."


@model("schema-extra-key", "a key that the schema does not allow", "wrong_answer")
def _extra(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if (body.get("response_format") or {}).get("type") == "json_schema" and said.content:
        said.content = json.dumps(json.loads(said.content) | {"note": "extra"})


@model("blind", "answers about pictures without seeing them", "wrong_answer")
def _blind(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if isinstance(body["messages"][-1].get("content"), list):
        said.content = "A lovely picture."


@model("forgets", "only the end of a long prompt reaches the model", "wrong_answer")
def _forgets(said: Said, body: dict[str, Any], fake: Fake) -> None:
    last = body["messages"][-1]
    if isinstance(last.get("content"), str) and len(last["content"]) > 1000:
        short = [*body["messages"][:-1], last | {"content": last["content"][-300:]}]
        rethink(said, body, messages=short)


def rethink(said: Said, body: dict[str, Any], **other: Any) -> None:
    """As if the request had been another one."""
    changed = {name: value for name, value in (body | other).items() if value is not None}
    said.__dict__.update(think(changed).__dict__)
