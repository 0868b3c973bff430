"""Tools that are strict while the model may choose: free text, and calls that fit their schemas."""

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from mlxd.engine.text import Grammars, InvalidGrammar, Style, Tokenizer
from mlxd.engine.text.calls import FORMATS
from mlxd.wire import Chat, Format, Submit, Tool

from .drawn import HELLO, WEATHER, Drawn, allowed

STRICT = Tool("weather", parameters=WEATHER.parameters, strict=True)
FREE = Tool("note", parameters={"type": "object", "properties": {"n": {"type": "integer"}}})
HELD = ["longcat", "kimi", "deepseek", "mistral", "mistral_list", "cohere", "json_bar",
        "json_list", "json"]  # fmt: skip


def asked(*tools: Tool, **more: Any) -> Submit:
    return Submit(1, Chat(HELLO, tools=list(tools), parallel_tool_calls=False), **more)


def opening(tokenizer: Tokenizer, style: Style) -> int:
    """The token with which a model of this style begins a call."""
    assert style.calls is not None
    envelope = style.calls.envelope
    known = {
        tokenizer.token_id(m)
        for m in style.markers
        if (envelope.first or envelope.head).startswith(m)
    }
    (token,) = known - {None}
    assert token is not None
    return token


@pytest.mark.parametrize("name", HELD)
def test_a_call_once_begun_fits_its_schema(marked: Tokenizer, style: Style, name: str) -> None:
    ours = replace(style, think=None, calls=next(f for f in FORMATS if f.name == name))
    matcher = Grammars(marked, ours).for_request(asked(STRICT))
    assert matcher is not None
    said = [*marked.encode("Let me look."), opening(marked, ours)]
    for seed in range(3):
        drawn = Drawn(marked, ours, matcher.fork(), seed, said=said)
        assert (drawn.ended, drawn.text, drawn.finish) == (True, "Let me look.", "tool_calls")
        ((name, arguments),) = drawn.calls.values()
        assert name == "weather"
        jsonschema.validate(json.loads(arguments), WEATHER.parameters)


def test_the_answer_may_be_any_text_and_end_anywhere(
    tokenizer: Tokenizer, style: Style, grammars: Grammars
) -> None:
    matcher = grammars.for_request(asked(STRICT))
    assert matcher is not None
    may = set(allowed(tokenizer, matcher))
    assert may & set(tokenizer.eos_ids)
    for token in tokenizer.encode('No call: {"name": 1} [] ä你'):
        assert token in set(allowed(tokenizer, matcher))
        matcher.advance(token)
    may = set(allowed(tokenizer, matcher))
    assert may & set(tokenizer.eos_ids)
    assert tokenizer.token_id("<tool_call>") in may


def test_tools_that_are_not_strict_take_any_object_beside_those_that_are(
    marked: Tokenizer, style: Style
) -> None:
    ours = replace(style, think=None, calls=next(f for f in FORMATS if f.name == "json"))
    grammars = Grammars(marked, ours)
    matcher = grammars.for_request(asked(STRICT, FREE))
    assert matcher is not None
    for token in [opening(marked, ours), *marked.encode('\n{"name": "')]:
        matcher.advance(token)
    begins = {marked.token_text(token)[:1] for token in allowed(marked, matcher)}
    assert begins == {"w", "n"}, "a tool that is not there can't be called"
    for token in marked.encode('note", "arguments": {"n": "seven", "more": [1]}}\n'):
        matcher.advance(token)


def test_without_a_strict_tool_nothing_is_enforced(grammars: Grammars) -> None:
    assert grammars.for_request(asked(WEATHER, FREE)) is None


@pytest.mark.parametrize("form", [f for f in FORMATS if f.name not in HELD], ids=lambda f: f.name)
def test_models_that_write_calls_otherwise_are_left_alone(
    marked: Tokenizer, style: Style, form: Any
) -> None:
    ours = replace(style, calls=form)
    assert Grammars(marked, ours).for_request(asked(STRICT)) is None


def test_a_strict_schema_that_cannot_be_enforced_names_its_tool(grammars: Grammars) -> None:
    broken = Tool("odd", parameters={"type": "array"}, strict=True)
    with pytest.raises(InvalidGrammar) as caught:
        grammars.for_request(asked(STRICT, broken))
    assert caught.value.param == "tools.1"
    replaced = Tool(broken.name, parameters=broken.parameters)
    assert grammars.for_request(asked(STRICT, replaced)) is not None


def test_a_format_beside_strict_tools_stays_a_format(grammars: Grammars) -> None:
    matcher = grammars.for_request(asked(STRICT, format=Format("regex", "yes")))
    assert matcher is not None
