from collections.abc import Callable
from dataclasses import dataclass, field

from . import json_calls, tagged, whole
from .cursor import Opening

KIMI_OPEN = "<|tool_calls_section_begin|>"
DEEPSEEK_OPEN = "<｜tool▁calls▁begin｜>"
DSML = "｜DSML｜"
HARMONY = ("<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|end|>", "<|call|>",
           "<|return|>")  # fmt: skip


@dataclass(frozen=True)
class Format:
    """`signs`: texts of which a chat template that teaches this format contains every one.
    `inner`: markers beside the opening ones that are no text for a client."""

    name: str
    signs: tuple[str, ...]
    openings: dict[str, Opening] = field(hash=False)
    inner: tuple[str, ...] = ()

    @property
    def markers(self) -> tuple[str, ...]:
        closes = (opening.close for opening in self.openings.values())
        return tuple(filter(None, (*self.openings, *closes, *self.inner)))


def _tool_call(prefix: str = "") -> dict[str, Opening]:
    close = f"</{prefix}tool_call>"
    return {f"<{prefix}tool_call>": Opening(tagged.tool_call(prefix), close)}


def _json(opening: str, close: str) -> dict[str, Opening]:
    return {opening: Opening(json_calls.objects(close), close)}


def _invoke(namespace: str, section: str) -> dict[str, Opening]:
    close = f"</{section}>"
    return {f"<{section}>": Opening(tagged.calls(tagged.invoke(namespace, close)), close)}


def _whole(opening: str, close: str, parse: Callable[[str], whole.Parsed]) -> dict[str, Opening]:
    return {opening: Opening(whole.whole(close, parse), close)}


_FUNCTION = {
    "<function=": Opening(tagged.calls(tagged.QWEN, opened=True), "</function>"),
}
_BARE_JSON = {
    "<|python_tag|>": Opening(json_calls.objects("")),
    "{": Opening(json_calls.objects(""), first=True),
}

# The first whose signs are all in a template is that model's.
FORMATS = (
    Format("minimax", ("<minimax:tool_call>",), _invoke("", "minimax:tool_call")),
    Format("dsml", (f"{DSML}function_calls",), _invoke(DSML, f"{DSML}function_calls")),
    Format("atem", ("<atem:function_calls>",), _invoke("atem:", "atem:function_calls")),
    Format("gemma4", ("<|tool_call>", "<tool_call|>"),
           _whole("<|tool_call>", "<tool_call|>", whole.braces('<|"|>')), ('<|"|>',)),
    Format("gemma", ("<start_function_call>",),
           _whole("<start_function_call>", "<end_function_call>", whole.braces("<escape>")),
           ("<escape>",)),
    Format("longcat", ("<longcat_tool_call>",), _tool_call("longcat_")),
    Format("glm", ("<arg_key>",), _tool_call(),
           ("<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>")),
    Format("pythonic", ("<|tool_call_start|>",),
           _whole("<|tool_call_start|>", "<|tool_call_end|>", whole.pythonic)),
    Format("pythonic", ("<|tool_list_start|>",),
           _whole("<|tool_call_start|>", "<|tool_call_end|>", whole.pythonic)),
    Format("qwen_tags", ("<tool_call>", "<function="), _tool_call() | _FUNCTION),
    Format("kimi", (KIMI_OPEN,), {KIMI_OPEN: Opening(json_calls.kimi, json_calls.KIMI_END)},
           ("<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>")),
    Format("deepseek", ("<｜tool▁call▁begin｜>",),
           {DEEPSEEK_OPEN: Opening(json_calls.deepseek, json_calls.DEEPSEEK_END)},
           ("<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>")),
    Format("minicpm", ('<function name="', '<param name="'),
           {"<function name=": Opening(tagged.calls(tagged.MINICPM, opened=True), "</function>")}),
    Format("mistral", ("[TOOL_CALLS]",), {"[TOOL_CALLS]": Opening(json_calls.mistral)},
           ("[ARGS]", "[CALL_ID]")),
    Format("harmony", ("<|channel|>", "<|message|>"), {}, HARMONY),
    Format("cohere", ("<|START_ACTION|>",), _json("<|START_ACTION|>", "<|END_ACTION|>")),
    Format("json", ("<tool_call>",), _tool_call()),
    Format("json_bar", ("<|tool_call|>", "<|/tool_call|>"),
           _json("<|tool_call|>", "<|/tool_call|>")),
    Format("json_list", ("<|tool_call|>",), _json("<|tool_call|>", "")),
    Format("llama", ("<|python_tag|>",), _BARE_JSON),
    Format("llama", ("ipython", '"parameters"'), _BARE_JSON),
)  # fmt: skip


def format_of(template: str) -> Format | None:
    """The format that a chat template teaches, None for one that is not known here."""
    return next((f for f in FORMATS if all(sign in template for sign in f.signs)), None)
