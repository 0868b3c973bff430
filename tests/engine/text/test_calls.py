"""Calls are read as they are written, and what is no call is not lost."""

import json
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxd.engine.text import Piece, Reply, Style, Tokenizer
from mlxd.engine.text.calls import FORMATS, format_of
from mlxd.wire import Tool

TOOLS = [
    Tool("weather", parameters={"type": "object", "properties": {
        "city": {"type": "string"}, "days": {"type": "integer"},
        "where": {"type": ["object", "null"]}, "deep": {"anyOf": [{"type": "boolean"}]}}}),
    Tool("now"),
]  # fmt: skip
BY_NAME = {form.name: form for form in FORMATS}

Calls = list[tuple[str, object]]


@dataclass
class Case:
    form: str
    said: str
    calls: Calls
    text: str = ""
    reasoning: str = ""


OSLO: Calls = [("weather", {"city": "Oslo", "days": 3})]
BOTH: Calls = [*OSLO, ("now", {})]
JSON = '{"name": "weather", "arguments": {"city": "Oslo", "days": 3}}'
NOW = '{"name": "now", "arguments": {}}'

CASES = [
    Case("json", f"<tool_call>\n{JSON}\n</tool_call>\n<tool_call>\n{NOW}\n</tool_call>", BOTH),
    Case("json", f"Let me see. \n<tool_call>{JSON}</tool_call> Done.", OSLO, "Let me see.Done."),
    Case("json", f"<tool_call>[{JSON}, {NOW}]</tool_call>", BOTH),
    Case("json", f"<tool_call>{JSON}\n{NOW}</tool_call>", BOTH),
    Case("json", f"<tool_call>{JSON}", OSLO),
    Case("json", '<tool_call>{"arguments": {"a": [1, {"b": "}"}]}, "name": "now"}</tool_call>',
         [("now", {"a": [1, {"b": "}"}]})]),
    Case("json", '<tool_call>{"name": "now"}</tool_call>', [("now", {})]),
    Case("json", '<tool_call>{"name": "now", "arguments": null}</tool_call>', [("now", {})]),
    Case("json", '<tool_call>{"name": "now", "arguments": "{\\"a\\": 1}"}</tool_call>',
         [("now", {"a": 1})]),
    Case("json", '<tool_call>{"id": "x", "type": "function", "function": '
         '{"name": "now", "arguments": {}}}</tool_call>', [("now", {})]),
    Case("json", '<tool_call>{"name": "now", '
         '"arguments": {"a": "x\ny\t\\d", "b": True}}</tool_call>',
         [("now", {"a": "x\ny\t\\d", "b": True})]),
    Case("json", f"<think>\nhm <tool_call>x\n</think>\n\n<tool_call>{NOW}</tool_call>",
         [("now", {})], reasoning="hm <tool_call>x"),
    Case("qwen_tags", "<tool_call>\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n"
         "<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>", OSLO),
    Case("qwen_tags", "<function=weather>\n<parameter=city>\nOs\n\"lo\"\n\n</parameter>\n"
         "</function>",
         [("weather", {"city": 'Os\n"lo"\n'})]),
    Case("qwen_tags", "<tool_call><function=weather><parameter=where>{\"a\": 1}</parameter>"
         "<parameter=deep>True</parameter><parameter=days>many</parameter></function></tool_call>",
         [("weather", {"where": {"a": 1}, "deep": True, "days": "many"})]),
    Case("qwen_tags", "<function=weather><parameter=days>1e999</parameter></function>",
         [("weather", {"days": "1e999"})]),
    Case("qwen_tags", "<function=weather><parameter=days>3.0</parameter></function>",
         [("weather", {"days": 3})]),
    Case("gemma", "<start_function_call>call:now{a:nan,b:-1.5,c:x y}<end_function_call>",
         [("now", {"a": "nan", "b": -1.5, "c": "x y"})]),
    Case("qwen_tags", "<tool_call>\n<function=now>\n</function>\n</tool_call>", [("now", {})]),
    Case("qwen_tags", "<tool_call>\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n",
         [("weather", {"city": "Oslo"})]),
    Case("glm", "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n"
         "<arg_key>days</arg_key><arg_value>3</arg_value>\n</tool_call><tool_call>now</tool_call>",
         BOTH),
    Case("longcat", "<longcat_tool_call>weather\n<longcat_arg_key>city</longcat_arg_key>\n"
         "<longcat_arg_value>Oslo</longcat_arg_value></longcat_tool_call>",
         [("weather", {"city": "Oslo"})]),
    Case("minimax", '<minimax:tool_call>\n<invoke name="weather">\n<parameter name="city">Oslo'
         '</parameter>\n<parameter name="days">3</parameter>\n</invoke>\n<invoke name="now">\n'
         "</invoke>\n</minimax:tool_call>", BOTH),
    Case("dsml", '<｜DSML｜function_calls>\n<｜DSML｜invoke name="now">\n'
         '<｜DSML｜parameter name="n" string="true">7</｜DSML｜parameter>\n'
         '<｜DSML｜parameter name="l" string="false">[7]'
         "</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
         [("now", {"n": "7", "l": [7]})]),
    Case("minicpm", '<function name="weather"><param name="city">Oslo</param></function>',
         [("weather", {"city": "Oslo"})]),
    Case("gemma", "<start_function_call>call:weather{city:<escape>Oslo<escape>,days:3}"
         "<end_function_call>", OSLO),
    Case("gemma4", '<|tool_call>call:now{a:<|"|>{x}<|"|>,l:[1,<|"|>b<|"|>],o:{k:true}}<tool_call|>',
         [("now", {"a": "{x}", "l": [1, "b"], "o": {"k": True}})]),
    Case("pythonic", '<|tool_call_start|>[weather(city="Oslo", days=3), now()]<|tool_call_end|>ok',
         BOTH, "ok"),
    Case("kimi", "<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0"
         '<|tool_call_argument_begin|>{"city": "Oslo", "days": 3}<|tool_call_end|>'
         "<|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|>"
         "<|tool_calls_section_end|>", BOTH),
    Case("deepseek", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n"
         '```json\n{"city": "Oslo", "days": 3}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>now'
         "<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>", BOTH),
    Case("mistral", f"[TOOL_CALLS] [{JSON}, {NOW}]", BOTH),
    Case("mistral", '[TOOL_CALLS]weather[ARGS]{"city": "Oslo", "days": 3}'
         "[TOOL_CALLS]now[CALL_ID]a1[ARGS]{}", BOTH),
    Case("llama", '{"name": "weather", "parameters": {"city": "Oslo", "days": 3}}; ' + NOW, BOTH),
    Case("llama", '<|python_tag|>{"type": "function", "name": "now", "parameters": {}}',
         [("now", {})]),
    Case("cohere", '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "now", "parameters": {}}]'
         "<|END_ACTION|>", [("now", {})]),
    Case("harmony", "<|channel|>analysis<|message|>hm<|end|><|start|>assistant"
         '<|channel|>commentary to=functions.now <|constrain|>json<|message|>{"a": 1}<|call|>',
         [("now", {"a": 1})], reasoning="hm"),
    Case("harmony", "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final"
         "<|message|>Hello <b", [], "Hello <b", "hm"),
    Case("harmony", "no header", [], "no header"),
]  # fmt: skip

# What looks like a call and is none comes out as it is.
TEXTS = [
    ("json", '<tool_call>{"name": "unknown", "arguments": {}}</tool_call> x'),
    ("json", "Use <tool_call> to call."),
    ("json", "<tool_call>\n\n"),
    ("json", '<tool_call>{"nam'),
    ("json", '<tool_call>{"name": "no'),
    ("json", "<tool_call><tool_call><tool_"),
    ("json", '<tool_call>{"arguments": {"a": tru}, "name": "now"}'),
    ("qwen_tags", "<tool_call>\n<function=unknown>\n</function>"),
    ("qwen_tags", "a <function= b"),
    ("glm", "<tool_call>hello</tool_call>"),
    ("minimax", '<minimax:tool_call><invoke name="x">'),
    ("gemma4", "<|tool_call>now{}<tool_call|>"),
    ("pythonic", "<|tool_call_start|>[now(x=1e999)]<|tool_call_end|>"),
    ("pythonic", "<|tool_call_start|>[now(x=b'')]<|tool_call_end|>"),
    ("pythonic", "<|tool_call_start|>[now(x=" + "-" * 20000 + "1)]<|tool_call_end|>"),
    ("gemma4", "<|tool_call>call:now{a:[1}<tool_call|>"),
    ("gemma4", "<|tool_call>call:now{a:[,]}<tool_call|>"),
    ("gemma4", "<|tool_call>call:now{a:1 b:2<tool_call|>"),
    ("pythonic", "<|tool_call_start|>[now(1)]<|tool_call_end|>"),
    ("pythonic", "<|tool_call_start|>[now(x=f())]<|tool_call_end|>"),
    ("kimi", "<|tool_calls_section_begin|><|tool_call_begin|>functions.x:0"),
    ("mistral", "[TOOL_CALLS] none"),
    ("llama", '{"name": "Bob", "age": 3}'),
    ("llama", ' {"a": {"name": "now"}}'),
    ("llama", '{"parameters": 3}'),
    ("llama", 'Say {"name": "now", "parameters": {}}'),
]


@pytest.fixture(scope="session")
def forms(tokenizer: Tokenizer, style: Style) -> dict[str, Style]:
    return {name: replace(style, calls=form) for name, form in BY_NAME.items()}


@dataclass
class Read:
    piece: Piece
    finish: str
    calls: list[tuple[str, str]]


def read(tokenizer: Tokenizer, style: Style, said: list[str], **options: object) -> Read:
    """Read a reply that comes in these parts."""
    reply = Reply(tokenizer, style, tools=TOOLS, parse_tools=True, **options)  # type: ignore[arg-type]
    total = Piece()
    for part in said:
        piece = Piece()
        reply._reader.read(part, piece)
        add(total, piece)
    ending = reply.finish("stop")
    add(total, ending.piece)
    calls: list[tuple[str, str]] = []
    for delta in total.calls:
        assert (delta.name is not None) == (delta.index == len(calls))
        if delta.name is not None:
            calls.append((delta.name, ""))
        calls[delta.index] = (calls[delta.index][0], calls[delta.index][1] + delta.arguments)
    return Read(total, ending.finish, calls)


def add(total: Piece, piece: Piece) -> None:
    total.text += piece.text
    total.reasoning += piece.reasoning
    total.calls += piece.calls
    total.stopped |= piece.stopped


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.form)
def test_calls_are_read(tokenizer: Tokenizer, forms: dict[str, Style], case: Case) -> None:
    got = read(tokenizer, forms[case.form], list(case.said))
    assert [(name, json.loads(arguments)) for name, arguments in got.calls] == case.calls
    assert (got.piece.text, got.piece.reasoning) == (case.text, case.reasoning)
    assert got.finish == ("tool_calls" if case.calls else "stop")


@pytest.mark.parametrize(("form", "said"), TEXTS)
def test_what_is_no_call_is_not_lost(
    tokenizer: Tokenizer, forms: dict[str, Style], form: str, said: str
) -> None:
    got = read(tokenizer, forms[form], list(said))
    assert (got.piece.text, got.calls, got.finish) == (said, [], "stop")


SAID = [(case.form, case.said) for case in CASES] + TEXTS


@given(st.data(), st.sampled_from(SAID))
@settings(max_examples=500, deadline=None)
def test_how_a_call_is_cut_does_not_matter(
    tokenizer: Tokenizer, forms: dict[str, Style], data: st.DataObject, which: tuple[str, str]
) -> None:
    form, said = which
    # Damage it too, in half of the examples.
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(said)))
        said = (
            said[:at]
            + data.draw(st.sampled_from(["", "<", '"', "}", "x", "\\", "\n"]))
            + said[at + 1 :]
        )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=8)))
    parts = [said[a:b] for a, b in zip([0, *cuts], [*cuts, len(said)], strict=True)]
    one, other = (read(tokenizer, forms[form], p) for p in (parts, list(said)))
    assert (one.piece.text, one.piece.reasoning, one.calls, one.finish) == (
        other.piece.text,
        other.piece.reasoning,
        other.calls,
        other.finish,
    )


def test_a_name_is_sent_as_soon_as_it_is_known_and_arguments_as_they_come(
    tokenizer: Tokenizer, forms: dict[str, Style]
) -> None:
    reply = Reply(tokenizer, forms["json"], tools=TOOLS, parse_tools=True)
    ids = tokenizer.encode(f"<tool_call>\n{JSON}\n</tool_call>")
    deltas = [(place, delta) for place, t in enumerate(ids) for delta in reply.push(t).calls]
    assert deltas[0][1].name == "weather"
    assert deltas[0][0] < len(ids) // 2
    assert len(deltas) > 5


def test_malformed_arguments_are_shown_as_they_are(
    tokenizer: Tokenizer, forms: dict[str, Style]
) -> None:
    said = '<tool_call>{"name": "now", "arguments": {"a": Oslo}}</tool_call> after'
    got = read(tokenizer, forms["json"], list(said))
    assert got.calls == [("now", '{"a": Oslo}}')]
    assert got.piece.text == "after"


def test_without_parsing_calls_stay_text(tokenizer: Tokenizer, style: Style) -> None:
    said = f"<tool_call>{NOW}</tool_call>"
    reply = Reply(tokenizer, style, tools=TOOLS, parse_tools=False)
    assert "".join(reply.push(t).text for t in tokenizer.encode(said)) == said
    assert reply.finish("stop").finish == "stop"


@pytest.mark.parametrize("case", [c for c in CASES if len(c.calls) == 2], ids=lambda c: c.form)
def test_without_parallel_calls_the_answer_stops_after_one(
    tokenizer: Tokenizer, forms: dict[str, Style], case: Case
) -> None:
    got = read(tokenizer, forms[case.form], list(case.said), parallel=False)
    assert [name for name, _ in got.calls] == [case.calls[0][0]]
    assert (got.piece.text, got.finish) == ("", "tool_calls")


def test_stops_do_not_apply_to_arguments(tokenizer: Tokenizer, forms: dict[str, Style]) -> None:
    got = read(tokenizer, forms["json"], list(f"<tool_call>{JSON}</tool_call>"), stop=["Oslo"])
    assert len(got.calls) == 1


def test_an_answer_cut_within_a_call_ends_for_its_length(
    tokenizer: Tokenizer, forms: dict[str, Style]
) -> None:
    reply = Reply(tokenizer, forms["json"], tools=TOOLS, parse_tools=True)
    for token in tokenizer.encode('<tool_call>{"name": "now", "arguments": {"a'):
        reply.push(token)
    assert reply.finish("length").finish == "length"


@pytest.mark.parametrize("form", ["json", "qwen_tags", "mistral", "deepseek", "kimi", "glm"])
def test_markup_of_a_call_that_was_cut_before_its_name_is_not_shown(
    tokenizer: Tokenizer, forms: dict[str, Style], form: str
) -> None:
    envelope = BY_NAME[form].envelope
    begun = (envelope.first + envelope.head).rstrip("\n") + "no"
    for length in range(len(next(iter(BY_NAME[form].openings))), len(begun) + 1):
        reply = Reply(tokenizer, forms[form], tools=TOOLS, parse_tools=True)
        shown = Piece()
        for token in tokenizer.encode("Wait. " + begun[:length]):
            add(shown, reply.push(token))
        ending = reply.finish("length")
        add(shown, ending.piece)
        assert (shown.text.strip(), shown.calls, ending.finish) == ("Wait.", [], "length")


@pytest.mark.parametrize("form", ["json", "llama"])
def test_where_only_a_call_can_come_a_part_of_its_marker_is_not_shown(
    tokenizer: Tokenizer, forms: dict[str, Style], form: str
) -> None:
    envelope = BY_NAME[form].envelope
    begun = envelope.first + envelope.head
    for length in range(1, len(begun) + 1):
        reply = Reply(
            tokenizer, forms[form], tools=TOOLS, parse_tools=True, constrained=True, must_call=True
        )
        shown = Piece()
        for token in tokenizer.encode(begun[:length]):
            add(shown, reply.push(token))
        ending = reply.finish("length")
        add(shown, ending.piece)
        assert (shown, ending.finish, ending.why) == (Piece(), "length", "budget_in_call")


def test_an_answer_in_json_that_was_cut_is_no_call(
    tokenizer: Tokenizer, forms: dict[str, Style]
) -> None:
    reply = Reply(tokenizer, forms["llama"], tools=TOOLS, parse_tools=True)
    shown = Piece()
    for token in tokenizer.encode('{"na'):
        add(shown, reply.push(token))
    add(shown, reply.finish("length").piece)
    assert shown.text == '{"na'


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("<tool_call>\n{{ tool_call | tojson }}", "json"),
        ("<tool_call>\n<function={{ name }}>", "qwen_tags"),
        ("<tool_call>{{ name }}<arg_key>", "glm"),
        ("<|python_tag|> ipython", "llama"),
        ('Environment: ipython {"name": function name, "parameters": dictionary}', "llama"),
        ("[TOOL_CALLS]{{ name }}[ARGS]", "mistral"),
        ("[TOOL_CALLS] [", "mistral_list"),
        ("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>", "deepseek"),
        ("<|tool_calls_section_begin|>", "kimi"),
        ("<minimax:tool_call>", "minimax"),
        ("<start_function_call>", "gemma"),
        ("<|start|>system<|message|> <|channel|>", "harmony"),
        ("nothing about tools", "json"),
    ],
)
def test_the_format_is_known_by_the_template(template: str, name: str) -> None:
    assert format_of(template).name == name
