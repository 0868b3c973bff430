"""A stream counts only if it really ended as asked; every other ending is named."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxd.bench import Reply, read_stream


def event(body: dict[str, Any] | str) -> bytes:
    return f"data: {body if isinstance(body, str) else json.dumps(body)}\n\n".encode()


def said(text: str | None, finish: str | None = None, **more: Any) -> bytes:
    return event({"choices": [{"delta": {"content": text, **more}, "finish_reason": finish}]})


def usage(completion: int, prompt: int = 9, cached: int = 0) -> bytes:
    details = {"prompt_tokens": prompt, "completion_tokens": completion}
    details |= {"prompt_tokens_details": {"cached_tokens": cached}}
    return event({"choices": [], "usage": details})


DONE = event("[DONE]")


def reply(*events: bytes, status: int = 200, fault: str | None = None) -> Reply:
    pieces = [(1.0 + i, piece) for i, piece in enumerate(events)]
    return Reply(sent=0.5, status=status, pieces=pieces, ended=99.0, fault=fault)


def test_a_whole_stream_is_counted_by_its_usage() -> None:
    whole = reply(said("", role="assistant"), said("a"), said("b"), said(None, "length"), usage(3))
    answer = read_stream(whole, asked=3)
    assert answer.fault is None
    assert (answer.tokens, answer.counted_by, answer.prompt_tokens) == (3, "usage", 9)
    assert answer.text == "ab"
    # The role alone is no token: the first one came with the second event.
    assert answer.first_token == 1.5
    assert answer.gaps == [1.0]


def test_without_usage_events_are_counted() -> None:
    answer = read_stream(reply(said("a"), said("b"), said("c", "length"), DONE), asked=3)
    assert (answer.fault, answer.tokens, answer.counted_by) == (None, 3, "deltas")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_a_first_token_too(field: str) -> None:
    answer = read_stream(reply(said(None, **{field: "hm"}), said("a", "length"), usage(2)), asked=2)
    assert answer.fault is None
    assert answer.first_token == 0.5


def test_completions_text_is_read() -> None:
    chunk = event({"choices": [{"text": "a", "finish_reason": "length"}]})
    assert read_stream(reply(chunk, usage(1)), asked=1).text == "a"


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (reply(said("a"), said("b"), usage(2)), "without a finish_reason"),
        (reply(said("a", "stop"), usage(1)), "1 of 2 tokens, finish_reason 'stop'"),
        (reply(said("a", "length"), usage(3)), "3 of 2 tokens"),
        (reply(said(None, "length"), usage(2)), "no text in the stream"),
        (reply(DONE), "without a finish_reason"),
        (reply(), "without a finish_reason"),
        (reply(said("a"), event({"error": {"message": "boom"}}), DONE), "boom"),
        (reply(said("a"), event({"error": "boom"}), said("b", "length"), usage(2)), "boom"),
        (reply(event("{not json")), "not a chunk"),
        (reply(event("[1]")), "not a chunk"),
        (reply(b'{"error": "no such model"}', status=404), "HTTP 404: {\"error\": \"no such"),
        (reply(said("a"), fault="connection lost"), "connection lost"),
    ],
)  # fmt: skip
def test_a_stream_that_is_not_whole_is_at_fault(broken: Reply, told: str) -> None:
    fault = read_stream(broken, asked=2).fault
    assert fault is not None
    assert told in fault


@given(st.integers(1, 40), st.integers(0, 39), st.booleans())
def test_a_stream_cut_anywhere_is_never_counted_as_whole(
    tokens: int, cut: int, with_usage: bool
) -> None:
    events = [said(f"t{i}") for i in range(tokens)] + [said(None, "length")]
    events += [usage(tokens), DONE] if with_usage else [DONE]
    assert read_stream(reply(*events), asked=tokens).fault is None
    assert read_stream(reply(*events[: min(cut, tokens)]), asked=tokens).fault is not None
