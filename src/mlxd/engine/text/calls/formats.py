from collections.abc import Callable
from dataclasses import dataclass, field, replace

from . import json_calls, tagged, whole
from .cursor import Opening

KIMI_OPEN = "<|tool_calls_section_begin|>"
DEEPSEEK_OPEN = "<｜tool▁calls▁begin｜>"
DSML = "｜DSML｜"
GEMMA4 = '<|"|>'
HARMONY = ("<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|end|>", "<|call|>",
           "<|return|>")  # fmt: skip


@dataclass(frozen=True)
class Envelope:
    """How a call is spelt where a grammar enforces it: `first` (`head` NAME `middle` ARGUMENTS
    `tail`, with `between` calls) `last`, the arguments always in JSON. Models whose own format
    has none get JSON inside of their own markers, because only that can be held to a schema; it is
    not `native` to them."""

    head: str = '<tool_call>\n{"name": "'
    middle: str = '", "arguments": '
    tail: str = "}\n</tool_call>"
    between: str = "\n"
    first: str = ""
    last: str = ""
    native: bool = True


@dataclass(frozen=True)
class Format:
    """`signs`: texts of which a chat template that teaches this format contains every one.
    `inner`: markers beside the opening ones that are no text for a client."""

    name: str
    signs: tuple[str, ...]
    openings: dict[str, Opening] = field(hash=False)
    inner: tuple[str, ...] = ()
    envelope: Envelope = Envelope()

    @property
    def markers(self) -> tuple[str, ...]:
        closes = (opening.close for opening in self.openings.values())
        return tuple(filter(None, (*self.openings, *closes, *self.inner)))


def _inside(opening: str, close: str) -> Envelope:
    return Envelope(head=opening + '{"name": "', tail="}" + close, between="", native=False)


def _tool_call(prefix: str = "") -> dict[str, Opening]:
    close = f"</{prefix}tool_call>"
    return {f"<{prefix}tool_call>": Opening(tagged.tool_call(prefix), close)}


def _json(opening: str, close: str) -> dict[str, Opening]:
    return {opening: Opening(json_calls.objects(close), close)}


_FUNCTION = {
    "<function=": Opening(tagged.calls(tagged.QWEN, opened=True), "</function>"),
}
_MINICPM = {
    "<function name=": Opening(tagged.calls(tagged.MINICPM, opened=True), "</function>"),
}
_MISTRAL = {"[TOOL_CALLS]": Opening(json_calls.mistral)}
_BARE_JSON = {
    "<|python_tag|>": Opening(json_calls.objects("")),
    "{": Opening(json_calls.objects(""), first=True),
}


def _invoking(name: str, namespace: str, section: str, *signs: str) -> Format:
    opening, close = f"<{section}>", f"</{section}>"
    tags = tagged.invoke(namespace, close)
    return Format(name, signs or (opening,), {opening: Opening(tagged.calls(tags), close)},
                  envelope=_inside(opening, close))  # fmt: skip


def _read_whole(
    name: str, opening: str, close: str, parse: Callable[[str], whole.Parsed], quote: str = ""
) -> Format:
    return Format(name, (opening,), {opening: Opening(whole.whole(close, parse), close)},
                  (quote,), _inside(opening, close))  # fmt: skip


KIMI = Format(
    "kimi",
    (KIMI_OPEN,),
    {KIMI_OPEN: Opening(json_calls.kimi, json_calls.KIMI_END)},
    ("<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"),
    Envelope(
        "<|tool_call_begin|>functions.",
        ":0<|tool_call_argument_begin|>",
        "<|tool_call_end|>",
        "",
        KIMI_OPEN,
        json_calls.KIMI_END,
    ),
)
DEEPSEEK = Format(
    "deepseek",
    ("<｜tool▁call▁begin｜>",),
    {DEEPSEEK_OPEN: Opening(json_calls.deepseek, json_calls.DEEPSEEK_END)},
    ("<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"),
    Envelope(
        "<｜tool▁call▁begin｜>",
        "<｜tool▁sep｜>",
        "<｜tool▁call▁end｜>",
        "",
        DEEPSEEK_OPEN,
        json_calls.DEEPSEEK_END,
    ),
)
FOREIGN = Envelope(native=False)
LLAMA = Envelope('{"name": "', '", "parameters": ', "}", "; ")

# The first whose signs are all in a template is that model's.
FORMATS = (
    _invoking("minimax", "", "minimax:tool_call"),
    # Their templates put the tags together from pieces.
    _invoking("dsml", DSML, f"{DSML}function_calls", DSML, "function_calls>"),
    _invoking("dsml_tools", DSML, f"{DSML}tool_calls", DSML, "tool_calls>"),
    _invoking("atem", "atem:", "atem:function_calls"),
    _read_whole("gemma4", "<|tool_call>", "<tool_call|>", whole.braces(GEMMA4), GEMMA4),
    _read_whole("gemma", "<start_function_call>", "<end_function_call>",
                whole.braces("<escape>"), "<escape>"),
    Format("longcat", ("<longcat_tool_call>",), _tool_call("longcat_"),
           envelope=replace(_inside("<longcat_tool_call>", "</longcat_tool_call>"), native=True)),
    Format("glm", ("<arg_key>",), _tool_call(),
           ("<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"), FOREIGN),
    _read_whole("pythonic", "<|tool_call_start|>", "<|tool_call_end|>", whole.pythonic),
    Format("qwen_tags", ("<tool_call>", "<function="), _tool_call() | _FUNCTION,
           envelope=FOREIGN),
    KIMI,
    DEEPSEEK,
    Format("minicpm", ('<function name="', '<param name="'), _MINICPM | _tool_call(),
           envelope=FOREIGN),
    Format("mistral", ("[TOOL_CALLS]", "[ARGS]"), _MISTRAL, ("[ARGS]", "[CALL_ID]"),
           Envelope("[TOOL_CALLS]", "[ARGS]", "", "")),
    Format("mistral_list", ("[TOOL_CALLS]",), _MISTRAL, ("[ARGS]", "[CALL_ID]"),
           Envelope('{"name": "', tail="}", between=", ", first="[TOOL_CALLS][", last="]")),
    Format("harmony", ("<|channel|>", "<|message|>"), {}, HARMONY,
           Envelope("<|channel|>commentary to=functions.", " <|constrain|>json<|message|>", "")),
    Format("cohere", ("<|START_ACTION|>",), _json("<|START_ACTION|>", "<|END_ACTION|>"),
           envelope=Envelope('{"tool_name": "', '", "parameters": ', "}", ", ",
                             "<|START_ACTION|>[", "]<|END_ACTION|>")),
    Format("json_bar", ("<|tool_call|>", "<|/tool_call|>"),
           _json("<|tool_call|>", "<|/tool_call|>"),
           envelope=replace(_inside("<|tool_call|>", "<|/tool_call|>"), native=True)),
    Format("json_list", ("<|tool_call|>",), _json("<|tool_call|>", ""),
           envelope=Envelope('{"name": "', tail="}", between=", ",
                             first="<|tool_call|>[", last="]")),
    Format("llama", ("<|python_tag|>",), _BARE_JSON, envelope=LLAMA),
    Format("llama", ("ipython", '"parameters"'), _BARE_JSON, envelope=LLAMA),
    # Where a template teaches no format known here, this is the one that most models have seen.
    Format("json", (), _tool_call()),
)  # fmt: skip


def format_of(template: str) -> Format:
    """The format that a chat template teaches."""
    return next(f for f in FORMATS if all(sign in template for sign in f.signs))
