"""Streamed or whole, chunked this way or that, an answer is the same."""

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxd import wire
from mlxd.gateway import sse
from mlxd.gateway.dialects.openai import chat, completions, schema
from mlxd.gateway.dialects.openai.decode import decode

USAGE = wire.Usage(7, 5, 3, 2)
text = st.text(max_size=8)
logprob = st.builds(
    wire.TokenLogprob,
    text,
    st.floats(-50, 0),
    st.binary(max_size=4),
    st.lists(
        st.builds(wire.TokenLogprob, text, st.floats(-50, 0), st.binary(max_size=4)), max_size=2
    ),
)


@st.composite
def event_lists(draw: st.DrawFn, with_calls: bool = True) -> list[wire.Event]:
    made = []
    seen: set[int] = set()
    for _ in range(draw(st.integers(0, 8))):
        calls = []
        for index in draw(st.lists(st.integers(0, 2), max_size=2)) if with_calls else ():
            name = None if index in seen else draw(st.sampled_from(["add", "look_up"]))
            seen.add(index)
            calls.append(wire.CallDelta(index, name, draw(text)))
        made.append(
            wire.Event(
                1,
                [5],
                text=draw(text),
                reasoning=draw(text) if with_calls else "",
                calls=calls,
                logprobs=draw(st.lists(logprob, max_size=2)),
            )
        )
    why = draw(st.sampled_from(["", "end_of_sequence_first", "budget_in_reasoning"]))
    finish = "tool_calls" if seen else draw(st.sampled_from(["stop", "length"]))
    return [*made, wire.Event(1, [2], finish=finish, why=why, usage=USAGE)]


def body(**more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "x"}], **more}


def streamed(answer: Any, events: list[wire.Event]) -> list[dict[str, Any]]:
    """What a client reads off the wire."""
    raw = b"".join(sse.frames(answer.chunks(0, event)) for event in events)
    raw += sse.frames(answer.closing())
    lines = [line for line in raw.decode().split("\n\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    return [json.loads(line[6:]) for line in lines]


def whole(answer: Any, events: list[wire.Event]) -> dict[str, Any]:
    for event in events:
        for chunk in answer.chunks(0, event):
            answer.fold(chunk)
    made: dict[str, Any] = json.loads(msgspec.json.encode(answer.whole()))
    return made


@settings(deadline=None)
@given(event_lists())
def test_a_chat_stream_adds_up_to_the_whole_answer(events: list[wire.Event]) -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    request, _ = decode(schema.ChatRequest, body(**options))
    chunks = streamed(chat.Answer(request, "m", 1), events)
    plain, _ = decode(schema.ChatRequest, body())
    answer = whole(chat.Answer(plain, "m", 1), events)

    *deltas, last = chunks
    assert last["choices"] == []
    assert last["usage"] == answer["usage"]
    assert all(chunk["usage"] is None for chunk in deltas)
    assert deltas[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [c["choices"][0]["finish_reason"] for c in deltas][-1] == events[-1].finish
    choice = answer["choices"][0]
    message = choice["message"]
    assert (message["refusal"], message["annotations"]) == (None, [])

    content, reasoning, calls, logprobs = "", "", {}, []
    for chunk in deltas:
        delta = chunk["choices"][0]["delta"]
        assert "role" not in delta or chunk is deltas[0]
        content += delta.get("content", "")
        reasoning += delta.get("reasoning_content", "")
        for call in delta.get("tool_calls", ()):
            if call["index"] not in calls:
                assert call["id"].startswith("call_")
                assert call["type"] == "function"
                calls[call["index"]] = {"name": call["function"]["name"], "arguments": ""}
            else:
                assert "id" not in call
                assert "name" not in call["function"]
            calls[call["index"]]["arguments"] += call["function"].get("arguments", "")
        if chunk["choices"][0]["logprobs"]:
            logprobs += chunk["choices"][0]["logprobs"]["content"]
    assert (message["content"] or "") == content == "".join(event.text for event in events)
    assert message.get("reasoning_content", "") == reasoning
    whole_calls = [call["function"] for call in message.get("tool_calls", ())]
    assert whole_calls == [calls[index] for index in sorted(calls)]
    assert ((choice["logprobs"] or {}).get("content") or []) == logprobs
    assert len(logprobs) == sum(len(event.logprobs) for event in events)
    assert choice.get("finish_details") == deltas[-1]["choices"][0].get("finish_details")
    assert ("finish_details" in choice) == bool(events[-1].why)


@settings(deadline=None)
@given(event_lists(with_calls=False))
def test_a_completion_stream_adds_up_to_the_whole_answer(events: list[wire.Event]) -> None:
    request, _ = decode(schema.CompletionRequest, {"model": "m", "prompt": "x", "stream": True})
    chunks = streamed(completions.Answer(request, "m", 1), events)
    choice = whole(completions.Answer(request, "m", 1), events)["choices"][0]
    assert "".join(c["choices"][0]["text"] for c in chunks) == choice["text"]
    assert chunks[-1]["choices"][0]["finish_reason"] == choice["finish_reason"]
    parts = [c["choices"][0]["logprobs"] for c in chunks if c["choices"][0]["logprobs"]]
    for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
        joined = [one for part in parts for one in part[name]]
        assert joined == (choice["logprobs"] or {}).get(name, [])


def test_usage_counts_a_prompt_once_and_every_answer() -> None:
    request, _ = decode(schema.CompletionRequest, {"model": "m", "prompt": ["x", "y"], "n": 2})
    answer = completions.Answer(request, "m", 4)
    for index, usage in enumerate([(3, 5, 0), (3, 6, 3), (4, 1, 2), (4, 2, 4)]):
        prompt, completion, cached = usage
        event = wire.Event(1, text="a", finish="stop", usage=wire.Usage(prompt, completion, cached))
        for chunk in answer.chunks(index, event):
            answer.fold(chunk)
    usage = answer.whole().usage
    assert isinstance(usage, schema.Usage)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (7, 14, 21)
    assert usage.prompt_tokens_details.cached_tokens == 2
