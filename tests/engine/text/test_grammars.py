"""What a grammar allows, judged by a model that takes any token it may."""

import contextlib
import json
import random
import re
import time
from dataclasses import replace
from itertools import count
from typing import Any

import jsonschema
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlxd.engine.text import (
    GrammarFault,
    Grammars,
    InvalidGrammar,
    Matcher,
    Style,
    Tokenizer,
)
from mlxd.engine.text.calls import FORMATS
from mlxd.engine.text.grammars import PURSE_SECONDS, PURSE_SECONDS_PER_SECOND, Purse
from mlxd.wire import Chat, Format, Submit, Text, Tool

from .drawn import HELLO, NOW, WEATHER, Drawn, allowed

# Of what is not soon: minutes, or never. On a busy machine a second may become ten.
SOON_S = 60.0


def of(grammars: Grammars, wanted: Format, **options: Any) -> Matcher:
    matcher = grammars.for_request(Submit(1, Text("x"), format=wanted), **options)
    assert matcher is not None
    return matcher


def schema_format(schema: Any) -> Format:
    return Format("json_schema", json.dumps(schema))


VALUES = st.one_of(st.text(max_size=6), st.integers(-(2**53), 2**53), st.none())
SCALARS = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.builds(
        lambda low, span: {"type": "integer", "minimum": low, "maximum": low + span},
        st.integers(-1000, 1000),
        st.integers(0, 5000),
    ),
    st.builds(lambda n: {"type": "string", "maxLength": n}, st.integers(0, 12)),
    st.builds(
        lambda v: {"enum": v},
        st.lists(
            st.one_of(st.text(max_size=6), st.integers(-(2**53), 2**53), st.none()),
            min_size=1,
            max_size=4,
        ),
    ),
    st.just({"const": {"a": [1, "é\n"]}}),
    st.just({"type": "string", "pattern": "^[a-c]{1,4}-[0-9]$"}),
    st.just({"type": "string", "format": "date"}),
    st.just({"type": "number", "minimum": 0, "maximum": 1}),
)
NAMES = st.text(st.sampled_from('abcé "\\_'), min_size=1, max_size=5)


def _object(properties: dict[str, Any], keep: list[bool]) -> dict[str, Any]:
    required = [n for n, k in zip(properties, keep + [True] * len(properties), strict=False) if k]
    return {"type": "object", "properties": properties, "required": required}


SCHEMAS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.builds(_object, st.dictionaries(NAMES, inner, max_size=4), st.lists(st.booleans())),
        st.builds(lambda i, n: {"type": "array", "items": i, "maxItems": n}, inner,
                  st.integers(0, 3)),
        st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner),
    ),
    max_leaves=6,
)  # fmt: skip


@given(SCHEMAS, st.integers(0, 1000))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_a_schema_allows_validates(
    tokenizer: Tokenizer, style: Style, grammars: Grammars, schema: dict[str, Any], seed: int
) -> None:
    drawn = Drawn(tokenizer, style, of(grammars, schema_format(schema)), seed, budget=2000)
    assert drawn.ended
    jsonschema.validate(json.loads(drawn.text), schema)


def test_blanks_come_to_an_end(tokenizer: Tokenizer, style: Style, grammars: Grammars) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"]}
    for seed in range(5):
        matcher = of(grammars, schema_format(schema))
        drawn = Drawn(tokenizer, style, matcher, seed, blank=True)
        assert drawn.ended
        assert not re.search(r"\s{27}", drawn.text)
        json.loads(drawn.text)


@pytest.mark.parametrize("seed", range(5))
def test_a_json_object_is_one(
    tokenizer: Tokenizer, style: Style, grammars: Grammars, seed: int
) -> None:
    drawn = Drawn(tokenizer, style, of(grammars, Format("json_object")), seed)
    assert isinstance(json.loads(drawn.text), dict)


def test_regexes_and_grammars_are_followed(
    tokenizer: Tokenizer, style: Style, grammars: Grammars
) -> None:
    for seed in range(5):
        drawn = Drawn(tokenizer, style, of(grammars, Format("regex", r'[a-c]{2}/"\d')), seed)
        assert re.fullmatch(r'[a-c]{2}/"\d', drawn.text)
        lark = 'start: "yes" | "no" why\nwhy: ": " /[a-z]{3}/'
        drawn = Drawn(tokenizer, style, of(grammars, Format("grammar", lark)), seed)
        assert re.fullmatch("yes|no: [a-z]{3}", drawn.text)


def test_a_finished_matcher_allows_only_the_end(tokenizer: Tokenizer, grammars: Grammars) -> None:
    matcher = of(grammars, Format("regex", "a"))
    assert not matcher.finished
    (token,) = tokenizer.encode("a")
    matcher.advance(token)
    assert matcher.finished
    assert set(allowed(tokenizer, matcher)) == tokenizer.eos_ids
    for end in tokenizer.eos_ids:
        matcher.advance(end)
    assert matcher.finished


def test_matchers_fork_reset_and_share_nothing(tokenizer: Tokenizer, grammars: Grammars) -> None:
    matcher = of(grammars, Format("regex", "ab|cd"))
    a, b, c = (tokenizer.encode(x)[0] for x in "abc")
    other = matcher.fork()
    matcher.advance(a)
    assert b in allowed(tokenizer, matcher)
    assert b not in allowed(tokenizer, other)
    other.advance(c)
    matcher.reset()
    assert c in allowed(tokenizer, matcher)
    assert c in allowed(tokenizer, of(grammars, Format("regex", "ab|cd")))


def test_a_token_that_is_not_allowed_is_a_fault(tokenizer: Tokenizer, grammars: Grammars) -> None:
    matcher = of(grammars, Format("regex", "a"))
    with pytest.raises(GrammarFault):
        matcher.advance(tokenizer.encode("b")[0])


def chat(**options: Any) -> Submit:
    wanted = options.pop("format", None)
    return Submit(1, Chat(HELLO, **options), format=wanted)


def test_what_asks_for_nothing_has_no_grammar(grammars: Grammars) -> None:
    assert grammars.for_request(chat()) is None
    assert grammars.for_request(chat(tools=[NOW])) is None
    assert grammars.for_request(chat(tools=[NOW], tool_choice="none")) is None


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
@pytest.mark.parametrize("choice", ["required", "=weather"])
def test_calls_are_enforced_in_every_format(
    marked: Tokenizer, style: Style, form: Any, choice: str
) -> None:
    ours = replace(style, calls=form)
    submit = chat(tools=[WEATHER, NOW], tool_choice=choice, parallel_tool_calls=False)
    matcher = Grammars(marked, ours).for_request(submit)
    assert matcher is not None
    for seed in range(3):
        drawn = Drawn(marked, ours, matcher.fork(), seed)
        assert (drawn.ended, drawn.text, drawn.finish) == (True, "", "tool_calls")
        ((name, arguments),) = drawn.calls.values()
        assert name in (["weather"] if choice == "=weather" else ["weather", "now"])
        if name == "weather":
            jsonschema.validate(json.loads(arguments), WEATHER.parameters)
        else:
            assert arguments == "{}"


def test_several_calls_may_be_made_where_they_may(
    tokenizer: Tokenizer, style: Style, grammars: Grammars
) -> None:
    submit = chat(tools=[NOW], tool_choice="required")
    counts = set()
    for seed in range(12):
        matcher = grammars.for_request(submit)
        assert matcher is not None
        drawn = Drawn(tokenizer, style, matcher, seed)
        assert drawn.text == ""
        counts.add(len(drawn.calls))
    assert min(counts) == 1
    assert max(counts) > 1


def test_with_tools_an_answer_may_be_a_call_instead(
    tokenizer: Tokenizer, style: Style, grammars: Grammars
) -> None:
    submit = chat(tools=[NOW], format=Format("regex", "yes"))
    seen = set()
    for seed in range(12):
        matcher = grammars.for_request(submit)
        assert matcher is not None
        drawn = Drawn(tokenizer, style, matcher, seed, prompt="<think></think>")
        seen.add((drawn.text, drawn.finish))
    assert seen == {("yes", "stop"), ("", "tool_calls")}


@pytest.mark.parametrize(
    ("prompt", "thinks"), [("", None), ("<think>\n", True), ("<think>\n\n</think>\n\n", False)]
)
def test_the_grammar_begins_where_reasoning_ends(
    tokenizer: Tokenizer, style: Style, grammars: Grammars, prompt: str, thinks: bool | None
) -> None:
    seen = set()
    for seed in range(40 if thinks is None else 5):
        matcher = grammars.for_request(chat(format=Format("regex", "[0-9]")), prompt)
        assert matcher is not None
        drawn = Drawn(tokenizer, style, matcher, seed, prompt=prompt)
        assert re.fullmatch("[0-9]", drawn.text)
        seen.add(bool(drawn.reasoning))
    assert seen == ({True, False} if thinks is None else {thinks})


def test_reasoning_may_not_be_the_end(tokenizer: Tokenizer, grammars: Grammars) -> None:
    matcher = grammars.for_request(chat(format=Format("json_object")), "<think>")
    assert matcher is not None
    assert not tokenizer.eos_ids & set(allowed(tokenizer, matcher))


INVALID = [
    Format("json_schema", "{"),
    Format("json_schema", '{"type": "bogus"}'),
    Format("json_schema", '{"type": 5}'),
    Format("json_schema", "[]"),
    Format("json_schema", "5"),
    Format("json_schema", "false"),
    Format("json_schema", '{"$ref": "#/nowhere"}'),
    Format("json_schema", '{"$ref": "https://example.com/schema"}'),
    Format("json_schema", '{"not": {}}'),
    Format("json_schema", '{"enum": []}'),
    Format("json_schema", '{"pattern": "(", "type": "string"}'),
    Format("json_schema", '{"enum": [9007199254740993]}'),
    Format("json_schema", '{"items": ' * 200 + "{}" + "}" * 200),
    Format("json_schema", '{"items": ' * 50_000 + "{}" + "}" * 50_000),
    Format("json_schema", '{"enum": ["' + "x" * 300_000 + '"]}'),
    Format("regex", "("),
    Format("regex", "(?=a)"),
    Format("grammar", "start: missing"),
    Format("grammar", "no grammar at all"),
    Format("grammar", "start: start"),
    Format("grammar", 'start: "a" @other'),
]


@pytest.mark.parametrize("wanted", INVALID, ids=lambda w: f"{w.kind}-{w.spec[:24]}")
def test_what_cannot_be_enforced_is_refused_soon(grammars: Grammars, wanted: Format) -> None:
    grammars.for_request(chat(format=Format("json_object")))  # the vocabulary is built once
    begun = time.monotonic()
    with pytest.raises(InvalidGrammar) as caught:
        of(grammars, wanted)
    assert time.monotonic() - begun < SOON_S
    assert caught.value.param in ("response_format", "regex", "grammar")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("wanted", "told", "code"),
    [
        (Format("regex", "(?=a)b"), "look-ahead", None),
        (Format("regex", "(" * 500 + "a" + ")" * 500), "nest", None),
        (Format("grammar", "start: <|nothing|>"), 'unknown special token: "<|nothing|>"', None),
        (Format("grammar", "start: <[99999999]>"), "99999999", None),
    ],
    ids=["look-ahead", "nested", "token", "id"],
)
def test_a_refusal_says_what_is_wrong_and_no_more(
    grammars: Grammars, wanted: Format, told: str, code: str | None
) -> None:
    with pytest.raises(InvalidGrammar) as caught:
        of(grammars, wanted)
    assert told in str(caught.value)
    assert "available" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert caught.value.code == code


ITSELF = {"$ref": "#/$defs/a"}
ENDLESS = {**ITSELF, "$defs": {"a": {"anyOf": [ITSELF, {"type": "array", "items": ITSELF}]}}}
MANY = {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(2000)}}
BIG = [
    Format("regex", "(a{1000}){1000}"),
    Format("regex", "[a-z]{1,1000}" * 500),
    Format("regex", "(a|aa)*" * 60 + "b"),
    Format("grammar", "start: " + " ".join(f'("{i}" | "x")*' for i in range(300))),
    schema_format({"enum": [f"{i}" * 9 for i in range(9000)]}),
    schema_format(MANY),
    schema_format(ENDLESS),
]


@pytest.mark.parametrize("wanted", BIG, ids=lambda w: f"{w.kind}-{w.spec[:24]}")
def test_what_is_big_is_refused_or_followed_soon(
    tokenizer: Tokenizer, grammars: Grammars, wanted: Format
) -> None:
    draw = random.Random(0)
    begun = time.monotonic()
    try:
        matcher = of(grammars, wanted)
        for _ in range(20):
            may = [t for t in allowed(tokenizer, matcher) if t not in tokenizer.eos_ids]
            if not may:
                break
            matcher.advance(draw.choice(may))
    except (InvalidGrammar, GrammarFault):
        pass
    assert time.monotonic() - begun < SOON_S


def test_of_a_format_and_tools_the_wrong_one_is_named(grammars: Grammars) -> None:
    sound = Tool("f", parameters={"type": "object", "properties": {"a": {"type": "string"}}})
    wrong = Tool("f", parameters={"type": "object", "properties": {"a": {"type": "odd"}}})
    for tool, wanted, param in [
        (sound, Format("json_schema", '{"type": "odd"}'), "response_format"),
        (sound, Format("regex", "("), "regex"),
        (wrong, Format("json_schema", '{"type": "string"}'), "tools"),
    ]:
        with pytest.raises(InvalidGrammar) as caught:
            grammars.for_request(chat(tools=[tool], format=wanted))
        assert caught.value.param == param


def test_a_tools_schema_that_cannot_be_enforced_names_the_tools(grammars: Grammars) -> None:
    tool = Tool("f", parameters={"type": "object", "properties": {"a": {"not": {}}}})
    with pytest.raises(InvalidGrammar, match="not") as caught:
        grammars.for_request(chat(tools=[tool], tool_choice="required"))
    assert caught.value.param == "tools"
    with pytest.raises(InvalidGrammar, match="no tool named 'g'"):
        grammars.for_request(chat(tools=[tool], tool_choice="=g"))


@pytest.mark.parametrize("kind", ["array", "odd", ["string", "null"], 5])
def test_arguments_that_are_no_object_are_refused(grammars: Grammars, kind: Any) -> None:
    tool = Tool("f", parameters={"type": kind})
    with pytest.raises(InvalidGrammar, match="are an object") as caught:
        grammars.for_request(chat(tools=[tool], tool_choice="required"))
    assert caught.value.param == "tools.0"


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "object", "required": ["a"]},
        {"type": ["object", "null"], "properties": {"a": {"type": "integer"}}, "required": ["a"]},
        {"enum": [{"a": 1}]},
    ],
)
def test_what_is_demanded_without_being_described_is_given(
    tokenizer: Tokenizer, style: Style, grammars: Grammars, parameters: dict[str, Any]
) -> None:
    tool = Tool("weather", parameters=parameters)
    submit = chat(tools=[tool], tool_choice="=weather", parallel_tool_calls=False)
    matcher = grammars.for_request(submit)
    assert matcher is not None
    ((_, arguments),) = Drawn(tokenizer, style, matcher, 1).calls.values()
    jsonschema.validate(json.loads(arguments), {**parameters, "type": "object"})


def test_annotations_are_no_promises(
    tokenizer: Tokenizer, style: Style, grammars: Grammars
) -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "T", "description": "d", "x-order": 1, "examples": [1], "default": {},
        "type": "object", "x-guidance": {"whitespace_pattern": " +"},
        "properties": {"a": {"type": "string", "format": "my-own", "maxLength": 3}},
    }  # fmt: skip
    drawn = Drawn(tokenizer, style, of(grammars, schema_format(schema)), 1)
    assert set(json.loads(drawn.text)) <= {"a"}


def chain(rules: int) -> Format:
    body = "\n".join(f'r{i}: "a" r{i + 1}' for i in range(rules))
    return Format("grammar", f'start: r0\n{body}\nr{rules}: "b"')


def references(depth: int) -> Format:
    defs: dict[str, Any] = {
        str(i): {"type": "object", "properties": {"a": {"$ref": f"#/$defs/{i + 1}"}}}
        for i in range(depth)
    }
    return schema_format({"$ref": "#/$defs/0", "$defs": defs | {str(depth): {"type": "null"}}})


# Each of these ends the compiler's process, or keeps it busy for many seconds.
DEADLY = {
    "deep rules": chain(6000),
    "deep references": references(1500),
    "optional letters": Format("regex", "a?" * 20_000 + "a" * 20_000),
    "a factor": schema_format({"type": "integer", "multipleOf": 999_983}),
}


@pytest.mark.parametrize("kind", DEADLY)
def test_what_would_end_the_compiler_is_refused_and_the_next_is_compiled(
    grammars: Grammars, kind: str
) -> None:
    with pytest.raises(InvalidGrammar, match="too complex") as caught:
        of(grammars, DEADLY[kind])
    assert caught.value.code == "grammar_too_complex"
    assert of(grammars, chain(100)) is not None


def test_a_grammar_that_takes_its_time_at_every_step_is_given_up(
    tokenizer: Tokenizer, grammars: Grammars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxd.engine.text.grammars.ALLOWANCE_SECONDS", 0.0)
    monkeypatch.setattr("mlxd.engine.text.grammars.ALLOWANCE_SECONDS_PER_TOKEN", 0.0)
    with pytest.raises(GrammarFault, match="too long"):
        of(grammars, Format("json_object")).mask()


def test_what_all_grammars_take_together_is_bounded_and_refills() -> None:
    now = 0.0
    purse = Purse(lambda: now)
    assert purse.pay(PURSE_SECONDS)
    assert not purse.pay(0.2)
    assert purse.left < 0
    now += 0.2 / PURSE_SECONDS_PER_SECOND + 0.01
    assert purse.left > 0
    now += 3600
    assert purse.left == PURSE_SECONDS


def test_of_many_slow_grammars_those_end_that_are_slow(
    grammars: Grammars, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And others wait until they may begin, while a quick one that runs goes on."""
    monkeypatch.setattr("mlxd.engine.text.grammars.USUAL_SECONDS", 0.0)
    monkeypatch.setattr("mlxd.engine.text.grammars.FAIR_SECONDS", 0.0)
    slow, quick = of(grammars, Format("regex", "a+")), of(grammars, Format("regex", "b+"))
    assert not slow.must_wait
    grammars._purse.pay(2 * PURSE_SECONDS)
    try:
        assert slow.must_wait
        with pytest.raises(GrammarFault, match="those of others"):
            slow.mask()
        monkeypatch.setattr("mlxd.engine.text.grammars.USUAL_SECONDS", 60.0)
        assert quick.mask() is not None
    finally:
        grammars._purse.pay(-2 * PURSE_SECONDS)


def test_what_a_token_costs_counts_too(grammars: Grammars, monkeypatch: pytest.MonkeyPatch) -> None:
    matcher, resumed = of(grammars, Format("regex", "a+")), of(grammars, Format("regex", "a+"))
    (token,) = grammars._tokenizer.encode("a")
    monkeypatch.setattr("mlxd.engine.text.grammars.ALLOWANCE_SECONDS_PER_TOKEN", 1500.0)
    monkeypatch.setattr("mlxd.engine.text.grammars.USUAL_SECONDS", 1e9)
    monkeypatch.setattr("mlxd.engine.text.grammars.time.thread_time", count(step=1000).__next__)
    resumed.resume([token] * 5)
    assert resumed.mask() is not None
    matcher.advance(token)
    with pytest.raises(GrammarFault, match="too long"):
        matcher.mask()


def test_a_grammar_that_ends_its_trial_leaves_no_zombie(tokenizer: Tokenizer, style: Style) -> None:
    fresh = Grammars(tokenizer, style)
    this = psutil.Process()
    before = set(this.children())
    for wanted in (chain(6000), Format("regex", "a+")):
        with contextlib.suppress(InvalidGrammar):
            of(fresh, wanted)
    (child,) = set(this.children()) - before
    assert child.status() != psutil.STATUS_ZOMBIE
    fresh.close()
    assert set(this.children()) <= before


def test_a_trial_whose_process_was_ended_goes_on_in_another(
    grammars: Grammars, tokenizer: Tokenizer, style: Style
) -> None:
    fresh = Grammars(tokenizer, style)
    assert of(fresh, Format("regex", "a+")) is not None
    child = fresh._trial._child
    assert child is not None
    child.kill()
    child.wait()
    assert of(fresh, Format("regex", "b+")) is not None
