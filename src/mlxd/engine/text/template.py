import contextlib
import re
from pathlib import Path
from typing import Any

import jinja2
import msgspec

from mlxd import wire

from .conversation import PROBE, InvalidChat, Shape, tool
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

REASONING = frozenset(marker for pair in THINKING for marker in pair)

# An added token that a template writes itself, such as <tool_call>, is as good as a special one.
_BRACKETED = re.compile(r"[<\[]\S+[>\]]")


def _sources(folder: Path) -> tuple[str, str] | None:
    """The template for conversations with tools, and the one for those without."""
    file = folder / "chat_template.jinja"
    if file.exists():
        return (file.read_text("utf-8"),) * 2
    for name in ("chat_template.json", "tokenizer_config.json", "processor_config.json"):
        found = read_json(folder / name).get("chat_template")
        if isinstance(found, list):
            named = {entry["name"]: entry["template"] for entry in found}
            usual = named.get("default") or next(iter(named.values()), "")
            if usual:
                return named.get("tool_use") or usual, usual
        elif isinstance(found, str) and found:
            return found, found
    return None


class Template:
    """The model's own chat template."""

    def __init__(self, source: str, tokenizer: Tokenizer, without_tools: str = "") -> None:
        self._with_tools = _compiled(source)
        self._without = _compiled(without_tools) if without_tools else self._with_tools
        self.source = source
        self._reserved = RESERVED | self._with_tools.environment.globals.keys()
        self.renders_tools = bool(re.search(r"\btools\b", source))
        self._named = tokenizer.named
        written = {t for t in tokenizer.added.values() if _BRACKETED.fullmatch(t) and t in source}
        self._guard = tokenizer.guard(KNOWN | written | tokenizer.pictures)
        parameters = {"type": "object", "properties": {"word": {"type": "string"}}}
        tools = [wire.Tool("look_it_up", "Look a word up", parameters)]
        self._shape_with_tools = self._shape(source, msgspec.structs.replace(PROBE, tools=tools))
        self._shape_without = self._shape(without_tools or source, PROBE)

    def _shape(self, source: str, probe: wire.Chat) -> Shape:
        shape = Shape.of(source)
        try:
            return shape.seen_in(self._rendered(probe, shape))
        except InvalidChat:
            return shape  # it says itself what it can't do

    @classmethod
    def load(cls, folder: Path, tokenizer: Tokenizer) -> "Template":
        with_tools, without = _sources(folder) or (PLAIN, PLAIN)
        return cls(with_tools, tokenizer, "" if without == with_tools else without)

    def render(self, chat: wire.Chat) -> Rendered:
        """The prompt. Encode it as it is returned: it knows which parts the client wrote."""
        if not chat.messages:
            raise InvalidChat("messages is empty; send at least one message")
        if refused := sorted(self._reserved & chat.template_kwargs.keys()):
            raise InvalidChat(
                f"{refused[0]} can't be set through chat_template_kwargs",
                f"chat_template_kwargs.{refused[0]}",
            )
        shape = self._shape_with_tools if _tools(chat) else self._shape_without
        try:
            return self._rendered(chat, shape)
        except InvalidChat as error:
            for other in shape.others(chat):
                with contextlib.suppress(InvalidChat):  # the first refusal is the one to tell
                    return self._rendered(chat, other)
            raise error

    def _rendered(self, chat: wire.Chat, shape: Shape) -> Rendered:
        template = self._with_tools if _tools(chat) else self._without
        try:
            client = self._client(chat, shape)
            variables = client | self._named | {"add_generation_prompt": True}
            return Rendered.of(render_bounded(template, variables), self._guard)
        except InvalidChat:
            raise
        except TemplateRefused as error:
            raise InvalidChat(f"The model's chat template refused the messages: {error}") from error
        except Exception as error:  # a template may fail on its input in any way Python knows
            raise InvalidChat(
                f"The model's chat template can't render these messages: {error}"
            ) from error

    def _client(self, chat: wire.Chat, shape: Shape) -> dict[str, Any]:
        """What the client wrote, with the marks of the guard."""
        tools = [tool(one) for one in _tools(chat)]
        shown = tools if tools or shape.empty_tools else None
        client: dict[str, Any] = self._guard.mark({**chat.template_kwargs, "tools": shown})
        client["messages"] = [
            # Clients send reasoning back within an answer, where templates cut it out.
            self._guard.mark(m, REASONING if m["role"] == "assistant" else ())
            for m in shape.messages(chat.messages)
        ]
        return client


def _tools(chat: wire.Chat) -> list[wire.Tool]:
    return chat.tools if chat.tool_choice != "none" else []


def _compiled(source: str) -> jinja2.Template:
    try:
        return compile_template(source)
    except jinja2.TemplateError as error:
        raise UnusableModel(f"The model's chat template is broken: {error}") from error
