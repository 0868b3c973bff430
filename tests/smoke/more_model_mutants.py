"""More faults of what the model says, and of what reaches it."""

import json
import random
import time
import unicodedata
from typing import Any

from mlxd.smoke.nonce import ITEMS

from .brain import Said
from .fake import SWAP_WINDOW_S, Fake
from .model_mutants import rethink
from .mutant import model

# After this many answers, each takes longer than the one before.
QUICK_ANSWERS = 215
SLOWER_S = 0.02


@model("temperature-0-wavers", "temperature is ignored: 0 leaves it to chance", "wrong_answer")
def _wavers(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if "random words" in str(body["messages"]):
        said.content = " ".join(random.choice(ITEMS) for _ in range(4))


@model("always-greedy", "temperature is ignored: nothing is left to chance", "wrong_answer")
def _greedy(said: Said, body: dict[str, Any], fake: Fake) -> None:
    rethink(said, body, temperature=0)


@model("max-tokens-one-more", "one token more than max_tokens", "wrong_answer")
def _one_more(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.finish == "length" and "max_tokens" in body:
        rethink(said, body, max_tokens=body["max_tokens"] + 1)


@model("max-tokens-one-less", "one token less than max_tokens", "wrong_answer")
def _one_less(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.finish == "length" and "max_tokens" in body:
        rethink(said, body, max_tokens=body["max_tokens"] - 1)


@model("ignores-system", "the system prompt does not reach the model", "wrong_answer")
def _no_system(said: Said, body: dict[str, Any], fake: Fake) -> None:
    rethink(said, body, messages=[m for m in body["messages"] if m["role"] != "system"])


@model("ignores-history", "only the last message reaches the model", "wrong_answer")
def _no_history(said: Said, body: dict[str, Any], fake: Fake) -> None:
    rethink(said, body, messages=body["messages"][-1:])


@model("drops-own-turns", "the assistant's turns do not reach the model", "wrong_answer")
def _no_own_turns(said: Said, body: dict[str, Any], fake: Fake) -> None:
    rethink(said, body, messages=[m for m in body["messages"] if m["role"] != "assistant"])


@model("pictures-swapped", "two clients get each other's picture", "wrong_answer")
def _swapped(said: Said, body: dict[str, Any], fake: Fake) -> None:
    last = body["messages"][-1]
    if isinstance(last.get("content"), list) and fake.clients > 1:
        with fake.lock:
            fake.memory.setdefault("pictures", []).append(last)
        time.sleep(SWAP_WINDOW_S)
        with fake.lock:
            others = [one for one in fake.memory["pictures"] if one is not last]
        if others:
            rethink(said, body, messages=[others[-1]])


@model("slows-down", "each answer takes longer than the one before", "timeout", patience=1.0)
def _slower(said: Said, body: dict[str, Any], fake: Fake) -> None:
    time.sleep(max(0, fake.answers - QUICK_ANSWERS) * SLOWER_S)


@model("normalises", "characters are brought into a normal form", "wrong_answer")
def _normalises(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = unicodedata.normalize("NFKC", said.content)


@model("composes", "accents are joined with their letters", "wrong_answer")
def _composes(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = unicodedata.normalize("NFC", said.content)


@model("leading-space", "a space before every answer", "wrong_answer")
def _space(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = f" {said.content}"


@model("leading-line", "an empty line before every answer", "wrong_answer")
def _line(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = f"\n\n{said.content}"


@model("quoted", "answers in quotation marks", "wrong_answer")
def _quoted(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content and not body.get("response_format"):
        said.content = f'"{said.content}"'


@model("full-stop", "a full stop after every answer", "wrong_answer")
def _full_stop(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content and not body.get("response_format"):
        said.content += "."


@model("fenced-json", "JSON in a Markdown fence", "wrong_answer")
def _fenced(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content and body.get("response_format"):
        said.content = f"```json\n{said.content}\n```"


def _json(said: Said, body: dict[str, Any]) -> dict[str, Any]:
    asked = (body.get("response_format") or {}).get("type") == "json_schema"
    return dict(json.loads(said.content)) if asked and said.content else {}


@model("enum-violated", "a value that the schema's list does not have", "wrong_answer")
def _enum(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if made := _json(said, body):
        texts = {key: value for key, value in made.items() if isinstance(value, str)}
        said.content = json.dumps(made | dict.fromkeys(texts, "something else"))


@model("numbers-as-text", "numbers as strings", "wrong_answer")
def _as_text(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if made := _json(said, body):
        numbers = {key: str(one) for key, one in made.items() if type(one) is int}
        said.content = json.dumps(made | numbers, ensure_ascii=False)


@model("key-missing", "a required key is left out", "wrong_answer")
def _missing(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if made := _json(said, body):
        made.popitem()
        said.content = json.dumps(made, ensure_ascii=False)


@model("null-for-a-value", "null where the schema wants a value", "wrong_answer")
def _null(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if made := _json(said, body):
        said.content = json.dumps(dict.fromkeys(made))


@model(
    "extra-argument", "a tool call with an argument that the tool does not have", "wrong_tool_call"
)
def _extra_argument(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.calls = [(name, json.dumps(json.loads(raw) | {"note": 1})) for name, raw in said.calls]


@model("call-twice", "the same call comes twice", "wrong_tool_call")
def _twice(said: Said, body: dict[str, Any], fake: Fake) -> None:
    said.calls = [call for one in said.calls for call in (one, one)]


@model("calls-for-nothing", "calls a tool where nothing asks for one", "wrong_tool_call")
def _for_nothing(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if body.get("tools") and body["messages"][-1]["role"] == "tool":
        function = body["tools"][0]["function"]
        said.calls = [(function["name"], "{}")]
        said.content, said.finish = None, "tool_calls"


@model("think-closed-only", "the end of a think tag stands in the text", "markup_leaked")
def _closed(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content = f"What is asked?</think>{said.content}"


@model("byte-tokens", "bytes of a character stand in the text as tokens", "markup_leaked")
def _bytes(said: Said, body: dict[str, Any], fake: Fake) -> None:
    if said.content:
        said.content += "<0xE4><0xBD>"
