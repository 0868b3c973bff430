"""An answer, read as any client would read it, whole or from a stream.

What can't be read at all is a Fault. What a strict reader would trip over is a complaint: only the
checks of the contract ask for those, so that one slip in the format does not hide how the model
does.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from .faults import Category, Fault
from .server import Reply

# A time in seconds has fewer digits than this until the year 5138; one in milliseconds has more.
LATEST_SECONDS = 10**11
BOM = b"\xef\xbb\xbf"
# Half of a character beyond 16 bits, as JSON can spell it and UTF-8 can't hold it.
_HALF = re.compile("[\ud800-\udfff]")
_SPELT = re.compile(r"\\u[dD][89a-fA-F]")
REPLACED = "\ufffd"
FINISHES = ("stop", "length", "tool_calls", "content_filter")
MARKUP = re.compile(
    r"</?think(?:ing)?>|</?tool_call>|</?tool_response>|<function[=_]|</function>|<parameter=|"
    r"\[/?TOOL_CALLS\]|\[/?INST\]|<\|[a-z_]+\|>|<｜[^｜]+｜>|</?s>|<(?:start|end)_of_turn>|"
    r"<0x[0-9A-F]{2}>|Ġ|\[TOOL_RESULTS\]|<eos>|<pad>|<unk>"
)


@dataclass
class Call:
    id: str
    name: str
    raw_arguments: str

    @property
    def arguments(self) -> dict[str, Any]:
        try:
            value = loads(self.raw_arguments)
        except ValueError as error:
            raise Fault(
                "wrong_tool_call",
                f"the arguments of {self.name} are not JSON ({error})",
                got=self.raw_arguments,
            ) from None
        if isinstance(value, str):
            raise Fault(
                "wrong_tool_call",
                f"the arguments of {self.name} are encoded twice: a JSON string within a string",
                got=self.raw_arguments,
            )
        if not isinstance(value, dict):
            raise Fault(
                "wrong_tool_call",
                f"the arguments of {self.name} are no JSON object",
                got=self.raw_arguments,
            )
        return value

    def as_message(self) -> dict[str, Any]:
        function = {"name": self.name, "arguments": self.raw_arguments}
        return {"id": self.id, "type": "function", "function": function}


@dataclass
class Answer:
    content: str | None = None
    reasoning: str = ""
    calls: list[Call] = field(default_factory=list)
    finish: str | None = None
    why: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    id: str = ""
    model: str = ""
    complaints: list[str] = field(default_factory=list)
    first_token_s: float | None = None
    deltas: int = 0
    # Chunks of a stream that have none.
    without_choices: int = 0

    @property
    def text(self) -> str:
        return self.content or ""

    @property
    def completion_tokens(self) -> int | None:
        count = self.usage.get("completion_tokens")
        return count if isinstance(count, int) else None

    def said(self) -> str:
        """The text; a Fault when there is none, or markup in it."""
        self.clean()
        if not self.text.strip():
            raise self.empty()
        return self.text

    def clean(self) -> None:
        found = MARKUP.search(self.text)
        if not found:
            return
        if found.group().startswith("<think") and self.finish == "length":
            raise Fault(
                "reasoning_budget",
                "all tokens went into reasoning; ask for more (--max-tokens)",
                got=self.text,
            )
        raise Fault("markup_leaked", f"{found.group()} stands in the text", got=self.text)

    def empty(self) -> Fault:
        tokens = self.completion_tokens
        if self.finish == "length" and (self.reasoning or "reasoning" in self.why):
            return Fault(
                "reasoning_budget",
                f"all {tokens} tokens went into reasoning; ask for more (--max-tokens)",
                got=self.reasoning,
            )
        if self.calls:
            got = ", ".join(f"{call.name}({call.raw_arguments})" for call in self.calls)
            return Fault("wrong_tool_call", "a tool call instead of text", got=got)
        if self.why:
            reason = self.why
        elif self.text:
            reason = "nothing but spaces and line ends"
        elif self.finish == "content_filter":
            reason = "filtered"
        elif tokens == 0:
            reason = "no token was generated, which the server reports as a success"
        elif tokens == 1 and self.finish == "stop":
            reason = "the first token ended the answer"
        elif self.finish == "length":
            reason = f"{tokens} tokens, up to the limit, and no text"
        elif tokens:
            reason = f"usage counts {tokens} tokens, but no text arrived"
        else:
            reason = "the server gives no reason"
        null = "null" if self.content is None else "empty"
        return Fault("empty_answer", f"content is {null}, finish_reason {self.finish!r}: {reason}")

    def message(self) -> dict[str, Any]:
        """It, as the next turn's history."""
        calls = [call.as_message() for call in self.calls]
        made: dict[str, Any] = {"role": "assistant", "content": self.content}
        return made | ({"tool_calls": calls} if calls else {})


def refuse_errors(reply: Reply, what: str = "the request") -> None:
    if reply.status == 200:
        return
    message = error_message(reply)
    if message is None:
        kind = reply.content_type or "no content type"
        raise Fault(
            "wire_format",
            f"HTTP {reply.status} without the API's error object ({kind})",
            got=reply.exchange.response[:500],
        )
    category: Category = "server_down" if reply.status >= 500 else "wire_format"
    raise Fault(category, f"{what} was answered HTTP {reply.status}: {message}", got=message)


def error_message(reply: Reply) -> str | None:
    """Of an error object of any of the usual forms."""
    try:
        body = loads(reply.body)
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    error = body.get("error", body.get("detail", body.get("message")))
    if isinstance(error, dict):
        error = error.get("message")
    return str(error) if error else None


def loads(data: bytes | str) -> Any:
    """JSON as the API has it: UTF-8, numbers only, and no half of a character in it."""
    text = data if isinstance(data, str) else data.removeprefix(BOM).decode()
    value = json.loads(text, parse_constant=_no_number)
    return _mended(value) if _SPELT.search(text) else value


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return _HALF.sub(REPLACED, value)
    if isinstance(value, list):
        return [_mended(one) for one in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(one) for key, one in value.items()}
    return value


def json_object(reply: Reply) -> dict[str, Any]:
    if "json" not in reply.content_type.lower():
        kind = reply.content_type or "none"
        raise Fault(
            "wire_format",
            f"the content type is {kind}, not application/json",
            got=reply.exchange.response[:500],
        )
    try:
        body = loads(reply.body)
    except ValueError as error:
        raise Fault(
            "wire_format", f"the body is not JSON: {error}", got=reply.exchange.response[:500]
        ) from None
    if not isinstance(body, dict):
        raise Fault("wire_format", "the body is no JSON object", got=reply.exchange.response[:500])
    if body.get("error"):
        raise Fault("wire_format", f"HTTP 200 with an error in it: {body['error']}")
    return body


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def read_whole(reply: Reply) -> Answer:
    refuse_errors(reply)
    body = json_object(reply)
    try:
        choice = body["choices"][0]
        message = choice["message"]
        content = message.get("content")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise Fault("wire_format", "the answer has no choices[0].message") from None
    if content is not None and not isinstance(content, str):
        raise Fault("wire_format", f"content is {type(content).__name__}, not a string")
    answer = Answer(content=content, finish=choice.get("finish_reason"))
    answer.reasoning = _reasoning(message)
    answer.why = _why(choice)
    answer.usage = body["usage"] if isinstance(body.get("usage"), dict) else {}
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise Fault("wire_format", f"tool_calls is {type(calls).__name__}, not a list")
    answer.calls = [_call(one) for one in calls]
    answer.id, answer.model = str(body.get("id") or ""), str(body.get("model") or "")
    answer.complaints = _complaints_whole(body, choice, message)
    answer.complaints += usage_complaints(body.get("usage"))
    for text in (text for one in calls for text in type_complaints(one)):
        answer.complaints.append(text)
    if reply.body.startswith(BOM):
        answer.complaints.append("the body begins with a byte order mark")
    return answer


def _reasoning(message: dict[str, Any]) -> str:
    found = message.get("reasoning_content") or message.get("reasoning") or ""
    return found if isinstance(found, str) else ""


def _why(choice: dict[str, Any]) -> str:
    details = choice.get("finish_details")
    return str(details.get("message", "")) if isinstance(details, dict) else ""


def _call(one: Any) -> Call:
    try:
        name, arguments = one["function"]["name"], one["function"]["arguments"]
    except (KeyError, TypeError):
        raise Fault("wrong_tool_call", f"a tool call without a function: {one}") from None
    if not isinstance(name, str) or not name:
        raise Fault("wrong_tool_call", f"a tool call without a name: {one}")
    if not isinstance(arguments, str):
        kind = type(arguments).__name__
        raise Fault(
            "wrong_tool_call", f"arguments of {name} are {kind}, not a string", got=str(one)
        )
    return Call(str(one.get("id") or ""), name, arguments)


def _complaints_whole(
    body: dict[str, Any], choice: dict[str, Any], message: dict[str, Any]
) -> list[str]:
    found = []
    if body.get("object") != "chat.completion":
        found.append(f"object is {body.get('object')!r}, not 'chat.completion'")
    if not isinstance(body.get("id"), str) or not body["id"]:
        found.append("id is missing")
    found += created_complaints(body.get("created"))
    if not isinstance(body.get("model"), str):
        found.append("model is missing")
    if choice.get("index") != 0:
        found.append(f"choices[0].index is {choice.get('index')!r}")
    if message.get("role") != "assistant":
        found.append(f"the message's role is {message.get('role')!r}, not 'assistant'")
    if choice.get("finish_reason") not in FINISHES:
        found.append(f"finish_reason is {choice.get('finish_reason')!r}")
    return found


def type_complaints(call: dict[str, Any]) -> list[str]:
    if call.get("type") == "function":
        return []
    return [f"a tool call's type is {call.get('type')!r}, not 'function'"]


def created_complaints(created: Any) -> list[str]:
    if isinstance(created, int) and 0 <= created < LATEST_SECONDS:
        return []
    return [f"created is {created!r}, not a time in seconds"]


def usage_complaints(usage: Any) -> list[str]:
    if not isinstance(usage, dict):
        return ["usage is missing"]
    counts = [usage.get(f"{name}_tokens") for name in ("prompt", "completion", "total")]
    if not all(isinstance(count, int) and count >= 0 for count in counts):
        return [f"usage has no whole counts: {usage}"]
    prompt, completion, total = (int(count or 0) for count in counts)
    if total != prompt + completion:
        return [f"usage: {prompt} prompt + {completion} completion tokens are not {total} in total"]
    if prompt == 0:
        return ["usage: a prompt of no tokens"]
    return [*_part_of(usage, "prompt", "cached"), *_part_of(usage, "completion", "reasoning")]


def _part_of(usage: dict[str, Any], whole: str, part: str) -> list[str]:
    details = usage.get(f"{whole}_tokens_details")
    count = details.get(f"{part}_tokens") if isinstance(details, dict) else None
    if count is None or (isinstance(count, int) and 0 <= count <= usage[f"{whole}_tokens"]):
        return []
    return [f"usage: {count} {part} tokens of {usage[f'{whole}_tokens']} {whole} tokens"]
