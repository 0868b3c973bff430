import json
import re
from pathlib import Path
from typing import Any

import jinja2

from mlxd import wire

from .guard import Rendered
from .jinja import TemplateRefused, compile_template, render_bounded
from .markers import KNOWN, THINKING
from .tokenizer import Tokenizer, UnusableModel, read_json

# For models without a template: speakers by name, in words that every model has read.
PLAIN = """\
{%- for message in messages -%}
{{ message.role | capitalize }}: {% if message.content is string %}{{ message.content }}
{%- else %}{% for part in message.content or [] %}{{ part.text }}{% endfor %}{% endif -%}
{{ '\\n\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}Assistant:{% endif -%}
"""

# What the gateway's request decides; a client's template_kwargs never override it.
RESERVED = frozenset(
    {"messages", "tools", "documents", "chat_template", "add_generation_prompt",
     "continue_final_message", "tokenize", "return_dict", "conversation"}
)  # fmt: skip

# Of the arguments of an earlier call: more than any tool's schema has.
MAX_DEPTH = 100

REASONING = frozenset(marker for pair in THINKING for marker in pair)

# An added token that a template writes itself, such as <tool_call>, is as good as a special one.
_BRACKETED = re.compile(r"[<\[]\S+[>\]]")


class InvalidChat(ValueError):
    """The model's template can't render what the client sent."""

    def __init__(self, message: str, param: str = "messages") -> None:
        super().__init__(message)
        self.param = param


def _source(folder: Path) -> str | None:
    file = folder / "chat_template.jinja"
    if file.exists():
        return file.read_text("utf-8")
    for name in ("chat_template.json", "tokenizer_config.json", "processor_config.json"):
        found = read_json(folder / name).get("chat_template")
        if isinstance(found, list):
            named = {entry["name"]: entry["template"] for entry in found}
            found = (
                named.get("tool_use") or named.get("default") or next(iter(named.values()), None)
            )
        if isinstance(found, str) and found:
            return found
    return None


def _content(parts: list[wire.Part]) -> str | list[dict[str, str]]:
    if all(isinstance(part, wire.TextPart) for part in parts):
        return "".join(part.text for part in parts if isinstance(part, wire.TextPart))
    return [
        {"type": "text", "text": part.text}
        if isinstance(part, wire.TextPart)
        else {"type": "image"}
        for part in parts
    ]


def _arguments(call: wire.ToolCall, where: str) -> dict[str, Any]:
    told = f"The arguments of the call of {call.name!r}"
    try:
        arguments = json.loads(call.arguments or "{}")
        # An escape in it can be half a character, which no tokenizer takes.
        json.dumps(arguments, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise InvalidChat(f"{told} have half a surrogate pair in a string", where) from error
    except ValueError as error:
        raise InvalidChat(f"{told} are not valid JSON: {error}", where) from error
    except RecursionError as error:
        raise InvalidChat(f"{told} are nested too deep", where) from error
    if not isinstance(arguments, dict):
        raise InvalidChat(f"{told} must be an object", where)
    if _deeper(arguments, MAX_DEPTH):
        raise InvalidChat(f"{told} are nested deeper than {MAX_DEPTH} levels", where)
    return arguments


def _deeper(value: Any, levels: int) -> bool:
    """What comes after walks values recursively, this must not."""
    level = [value]
    for _ in range(levels):
        level = [
            below
            for one in level
            for below in (one.values() if isinstance(one, dict) else one)
            if isinstance(below, dict | list)
        ]
        if not level:
            return False
    return True


def _message(message: wire.Message, place: int) -> dict[str, Any]:
    shown: dict[str, Any] = {"role": message.role, "content": _content(message.content)}
    if message.name is not None:
        shown["name"] = message.name
    if message.reasoning is not None:
        # Templates read it under either name.
        shown["reasoning_content"] = shown["thinking"] = message.reasoning
    if message.tool_call_id is not None:
        shown["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        where = f"messages.{place}.tool_calls"
        shown["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": _arguments(call, f"{where}.{i}.function.arguments"),
                },
            }
            for i, call in enumerate(message.tool_calls)
        ]
    return shown


def _tool(tool: wire.Tool) -> dict[str, Any]:
    parameters = tool.parameters or {"type": "object", "properties": {}}
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": parameters,
        },
    }


class Template:
    """The model's own chat template."""

    def __init__(self, source: str, tokenizer: Tokenizer) -> None:
        try:
            self._template = compile_template(source)
        except jinja2.TemplateError as error:
            raise UnusableModel(f"The model's chat template is broken: {error}") from error
        self.source = source
        self._reserved = RESERVED | self._template.environment.globals.keys()
        self.renders_tools = bool(re.search(r"\btools\b", source))
        self._named = tokenizer.named
        written = {t for t in tokenizer.added.values() if _BRACKETED.fullmatch(t) and t in source}
        self._guard = tokenizer.guard(KNOWN | written)

    @classmethod
    def load(cls, folder: Path, tokenizer: Tokenizer) -> "Template":
        return cls(_source(folder) or PLAIN, tokenizer)

    def render(self, chat: wire.Chat) -> Rendered:
        """The prompt. Encode it as it is returned: it knows which parts the client wrote."""
        if not chat.messages:
            raise InvalidChat("messages is empty; send at least one message")
        if refused := sorted(self._reserved & chat.template_kwargs.keys()):
            raise InvalidChat(
                f"{refused[0]} can't be set through chat_template_kwargs",
                f"chat_template_kwargs.{refused[0]}",
            )
        try:
            variables = self._client(chat) | self._named | {"add_generation_prompt": True}
            return Rendered.of(render_bounded(self._template, variables), self._guard)
        except InvalidChat:
            raise
        except TemplateRefused as error:
            raise InvalidChat(f"The model's chat template refused the messages: {error}") from error
        except Exception as error:  # a template may fail on its input in any way Python knows
            raise InvalidChat(
                f"The model's chat template can't render these messages: {error}"
            ) from error

    def _client(self, chat: wire.Chat) -> dict[str, Any]:
        """What the client wrote, with the marks of the guard."""
        tools = [_tool(tool) for tool in chat.tools] if chat.tool_choice != "none" else []
        client: dict[str, Any] = self._guard.mark({**chat.template_kwargs, "tools": tools or None})
        client["messages"] = [
            # Clients send reasoning back within an answer, where templates cut it out.
            self._guard.mark(_message(m, i), REASONING if m.role == "assistant" else ())
            for i, m in enumerate(chat.messages)
        ]
        return client
