"""Answers held to a format by a model that would say anything: random weights, real grammars."""

import json
from pathlib import Path

import pytest
from tests.engine.harness import Engine, engine
from tests.processes import PATIENCE_S, beneath, left

from mlxd.wire import Chat, Format, Message, Sampling, Stop, Text, TextPart, Tool

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 8}, "sunny": {"type": "boolean"}},
    "required": ["city", "sunny"],
    "additionalProperties": False,
}
# A model that may reason first would, at random, and for ever.
NO_THINKING = {2046: -100.0}
WILD = Sampling(temperature=1.5, seed=4, logit_bias=NO_THINKING)
TOOL = Tool("get_weather", "The weather of a place", SCHEMA)


def chat(**more: object) -> Chat:
    return Chat([Message("user", [TextPart("the weather in Bern?")])], **more)  # type: ignore[arg-type]


def test_json_follows_the_schema(text_engine: Engine) -> None:
    wanted = Format("json_schema", json.dumps(SCHEMA))
    for seed in range(3):
        sampling = Sampling(temperature=1.5, seed=seed, logit_bias=NO_THINKING)
        answer = text_engine.ask(chat(), format=wanted, sampling=sampling, max_tokens=200)
        assert answer.finish == "stop"
        value = json.loads(answer.text)
        assert set(value) == {"city", "sunny"}
        assert isinstance(value["sunny"], bool)


def test_a_regex_is_matched(text_engine: Engine) -> None:
    wanted = Format("regex", r"[a-f]{3}-\d{4}")
    answer = text_engine.ask(chat(), format=wanted, sampling=WILD, max_tokens=50)
    assert answer.finish == "stop"
    assert len(answer.text) == 8
    assert answer.text[3] == "-"
    assert answer.text[4:].isdigit()


@pytest.mark.parametrize("choice", ["required", "=get_weather"])
def test_a_call_is_made_where_one_is_required(text_engine: Engine, choice: str) -> None:
    asked = chat(tools=[TOOL], tool_choice=choice, parallel_tool_calls=False)
    answer = text_engine.ask(asked, sampling=WILD, max_tokens=200)
    assert answer.finish == "tool_calls"
    assert [c.name for c in answer.calls if c.name] == ["get_weather"]
    arguments = json.loads("".join(c.arguments for c in answer.calls))
    assert set(arguments) == {"city", "sunny"}


def test_guided_rows_do_not_bind_their_neighbours(text_engine: Engine) -> None:
    free = text_engine.ask(chat(), sampling=WILD, max_tokens=30).tokens
    wanted = Format("regex", r"[0-9]{20}")
    ids = [
        text_engine.submit(chat(), format=wanted, sampling=WILD, max_tokens=40),
        text_engine.submit(chat(), sampling=WILD, max_tokens=30),
    ]
    guided, beside = text_engine.wait(*ids)
    assert guided.text.isdigit()
    assert len(guided.text) == 20
    assert beside.tokens == free


def test_a_guided_answer_is_resumed_where_it_was(text_engine: Engine) -> None:
    wanted = Format("json_schema", json.dumps(SCHEMA))
    options = {"format": wanted, "sampling": WILD, "max_tokens": 200}
    whole = text_engine.ask(chat(), **options)
    half = len(whole.tokens) // 2
    rest = text_engine.ask(chat(), **options, resume=whole.tokens[:half])
    assert rest.tokens == whole.tokens[half:]


@pytest.mark.parametrize(
    "wanted",
    [
        Format("json_schema", "{"),
        Format("json_schema", '{"type": "nonsense"}'),
        Format("regex", "(" * 50),
        Format("grammar", "start: undefined_rule"),
    ],
)
def test_a_format_that_means_nothing_is_refused(text_engine: Engine, wanted: Format) -> None:
    failed = text_engine.ask(chat(), format=wanted).failed
    assert failed is not None
    assert failed.blame == "client"
    assert failed.param
    assert text_engine.ask(chat(), max_tokens=2).finish == "length"


@pytest.mark.parametrize(
    "wanted", [Format("regex", "a{1000}{1000}"), Format("grammar", 'start: "a"{1000000}')]
)
def test_a_format_that_outgrows_its_bounds_is_the_clients_fault(
    text_engine: Engine, wanted: Format
) -> None:
    neighbour = text_engine.submit(chat(), max_tokens=40)
    failed = text_engine.ask(Text("x"), format=wanted, max_tokens=40).failed
    assert failed is not None
    assert (failed.blame, failed.param) == ("client", wanted.kind)
    assert failed.code == "grammar_too_complex"
    assert "too complex" in failed.message
    assert text_engine.wait(neighbour)[0].finish is not None


def test_a_grammar_that_would_end_its_compiler_does_not_end_the_engine(text_engine: Engine) -> None:
    """Rules that call each other six thousand deep overflow the native compiler's stack."""
    rules = "\n".join(f'r{i}: "a" r{i + 1}' for i in range(6000))
    deadly = Format("grammar", f'start: r0\n{rules}\nr6000: "b"')
    neighbour = text_engine.submit(chat(), max_tokens=60)
    failed = text_engine.ask(Text("x"), format=deadly).failed
    assert failed is not None
    assert (failed.blame, failed.param, failed.code) == ("client", "grammar", "grammar_too_complex")
    assert text_engine.wait(neighbour)[0].finish is not None
    assert text_engine.process.poll() is None


def test_many_grammars_that_grow_slow_do_not_stop_a_stream(text_engine: Engine) -> None:
    """Sums of sums can be read in more ways with each token."""
    slow = Format("grammar", 'start: e\ne: e e e | e e | "a" | "b" | "ab"')
    neighbour = text_engine.submit(chat(), max_tokens=40)
    many = [text_engine.submit(Text("x"), format=slow, max_tokens=60) for _ in range(8)]
    for answer in text_engine.wait(neighbour, *many):
        assert answer.finish or (answer.failed and answer.failed.code == "grammar_too_complex")
    assert text_engine.answers[neighbour].finish is not None
    assert text_engine.ask(chat(), format=Format("regex", "[ab]{2}")).text in PAIRS


PAIRS = ("aa", "ab", "ba", "bb")


def test_an_engine_that_stops_takes_its_grammar_process_with_it(text_model: Path) -> None:
    with engine(text_model) as started:
        assert started.ask(chat(), format=Format("regex", "[ab]{2}")).failed is None
        (child,) = beneath(started.process.pid)
        started.send(Stop())
        assert started.process.wait(PATIENCE_S) == 0
        assert left([child]) == []
