"""Streams, their failures, and clients that leave."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine import HELD
from tests.processes import PATIENCE_S

from mlxd import wire
from mlxd.settings import ServerSettings
from mlxd.supervisor.contract import EngineUnavailable, RequestFailed

from .conftest import Gateway, serving
from .raw import Raw
from .service import overloaded


def events(text: str) -> list[Any]:
    lines = [line for line in text.split("\n\n") if line and not line.startswith(":")]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


async def test_a_stream_is_well_formed(gateway: Gateway) -> None:
    answer = await gateway.chat("one two", stream=True, stream_options={"include_usage": True})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    *chunks, last = events(answer.text)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"content": "one"},
        {"content": " two"},
        {},
    ]
    assert len({chunk["id"] for chunk in (*chunks, last)}) == 1
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert last["usage"]["total_tokens"] == 4
    without = events((await gateway.chat("one", stream=True)).text)
    assert all("usage" not in chunk for chunk in without)
    assert all(chunk["choices"] for chunk in without)


async def test_n_choices_stream_together(gateway: Gateway) -> None:
    chunks = events((await gateway.chat("a b", stream=True, n=3)).text)
    texts = ["", "", ""]
    for chunk in chunks:
        (choice,) = chunk["choices"]
        texts[choice["index"]] += choice["delta"].get("content", "")
    assert texts == ["a b"] * 3


async def test_an_empty_answer_says_why(gateway: Gateway) -> None:
    choice = (await gateway.chat("[[why end_of_sequence_first]]")).json()["choices"][0]
    assert choice["message"]["content"] == ""
    assert choice["finish_reason"] == "stop"
    assert choice["finish_details"]["type"] == "end_of_sequence_first"
    assert choice["finish_details"]["message"].endswith(".")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("prompt", "status", "code"),
    [
        ("[[fail client context_length_exceeded]]", 400, "context_length_exceeded"),
        ("[[fail memory]]", 503, "out_of_memory"),
        ("[[fail memory kv_budget_exceeded]]", 400, "kv_budget_exceeded"),
        ("[[fail engine]]", 500, "engine_error"),
        ("[[raise 0]]", 500, "engine_error"),
    ],
)
async def test_a_failure_before_the_first_byte_is_a_status(
    gateway: Gateway, prompt: str, status: int, code: str, stream: bool
) -> None:
    answer = await gateway.chat(prompt, stream=stream)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert ("retry-after" in answer.headers) == (status == 503)
    await gateway.still_works()


async def test_a_failure_in_a_stream_is_an_event_and_then_done(gateway: Gateway) -> None:
    answer = await gateway.chat("[[raise 3]] a b c d e", stream=True)
    # The first tokens may share a step with the failure; whole answers never hide it.
    if answer.status_code == 200:
        assert "broke on purpose" in events(answer.text)[-1]["error"]["message"]
    whole = await gateway.chat("[[raise 3]] a b c d e")
    assert whole.status_code == 500
    assert "broke on purpose" in whole.json()["error"]["message"]
    await gateway.still_works()


async def test_one_failed_choice_fails_the_answer_and_cancels_the_others(gateway: Gateway) -> None:
    before = len(gateway.service.submitted)
    body = {"model": "fake", "prompt": ["[[tokens 100000]]", "[[raise 2]] a b c"]}
    answer = await gateway.client.post("/v1/completions", json=body)
    assert answer.status_code == 500
    assert len(gateway.service.submitted) == before + 2
    await gateway.still_works()


async def test_the_queue_being_full_is_a_429(gateway: Gateway) -> None:
    gateway.service.refuse = overloaded()
    try:
        answer = await gateway.chat("hi")
    finally:
        gateway.service.refuse = None
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


@pytest.mark.parametrize("fault", ["die 2", "exit 2", "malformed 2", "half 2"])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_engine_that_dies_ends_every_answer_with_an_error(
    fault: str, stream: bool
) -> None:
    async with serving("--rate", "200") as gateway:
        answer = await gateway.chat(f"[[{fault}]] a b c d", stream=stream)
        if stream:
            assert answer.status_code == 200
            *chunks, last = events(answer.text)
            assert last["error"]["code"] == "engine_unavailable"
            assert [c["choices"][0]["delta"].get("content") for c in chunks] == ["", "a", " b"]
        else:
            assert (answer.status_code, answer.json()["error"]["type"]) == (
                503,
                "service_unavailable",
            )


async def test_comments_keep_a_waiting_stream_alive(tmp_path: Path) -> None:
    held = tmp_path / HELD

    async def after_comments(gateway: Gateway, prompt: str) -> str:
        """The engine goes on once a few of them have come."""
        held.write_text("prefilling")
        body = json.loads(request(prompt, stream=True))
        async with gateway.client.stream("POST", "/v1/chat/completions", json=body) as answer:
            assert answer.status_code == 200
            text = ""
            async for piece in answer.aiter_text():
                text += piece
                if text.count(": waiting") > 3:
                    held.unlink(missing_ok=True)
        return text

    server = ServerSettings(keep_alive=0.02)
    async with serving("--model", str(tmp_path), server=server) as gateway:
        text = await after_comments(gateway, "at last")
        assert text.startswith(": waiting for the fake engine\n\n")
        assert events(text)[1]["choices"][0]["delta"] == {"content": "at"}
        failed = await after_comments(gateway, "[[raise 0]]")
        assert "broke" in events(failed)[0]["error"]["message"]


def request(prompt: str, **more: Any) -> bytes:
    messages = [{"role": "user", "content": prompt}]
    return json.dumps({"model": "fake", "messages": messages, **more}).encode()


@pytest.mark.parametrize("abort", [False, True], ids=["fin", "reset"])
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(
    ("prompt", "stream", "first"),
    [
        ("[[wait 60]] x", False, False),
        ("[[wait 60]] x", True, False),
        ("[[lost 0]] x", True, False),
        ("[[tokens 100000]]", False, False),
        ("[[tokens 100000]]", True, True),
    ],
)
async def test_a_client_that_leaves_is_cancelled_in_the_engine(
    gateway: Gateway, prompt: str, stream: bool, first: bool, n: int, abort: bool
) -> None:
    service = gateway.service
    before, cancelled = len(service.submitted), len(service.cancelled)
    raw = await Raw.open(gateway.port)
    await raw.post(request(prompt, stream=stream, n=n))
    async with asyncio.timeout(PATIENCE_S), service.progressed:
        await service.progressed.wait_for(lambda: service.running == n)
    if first:
        assert b"assistant" in await raw.reader.readuntil(b"\n\n")
    raw.abort() if abort else raw.close()
    await service.idle()
    assert len(service.submitted) == before + n
    assert len(service.cancelled) == cancelled + n
    await gateway.still_works()


async def test_a_client_that_leaves_an_embedding_is_noticed(gateway: Gateway) -> None:
    raw = await Raw.open(gateway.port)
    await raw.post(b'{"model":"fake","input":"a"}', path="/v1/embeddings")
    raw.abort()
    await gateway.still_works()


async def test_a_client_that_stops_reading_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlxd.gateway.sse.STALLED_SECONDS", 0.1)
    async with serving(server=ServerSettings(keep_alive=0.05)) as gateway:
        raw = await Raw.open(gateway.port)
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await raw.post(request("[[tokens 200000]]", stream=True))
        async with asyncio.timeout(PATIENCE_S):
            await gateway.service.cancel_seen.wait()
        raw.abort()
        await gateway.still_works()


def test_every_blame_and_outage_has_its_status() -> None:
    from mlxd.gateway.errors import from_exception

    failed = from_exception(RequestFailed(wire.Failed(1, "client", "no", "regex", "x")))
    assert (failed.status, failed.param) == (400, "response_format.regex")
    where = "messages.1.tool_calls.0.function.arguments"
    failed = from_exception(RequestFailed(wire.Failed(1, "client", "no", where)))
    assert failed.param == "messages[1].tool_calls[0].function.arguments"
    assert from_exception(EngineUnavailable("no", 7)).headers == [(b"retry-after", b"7")]
    assert from_exception(ValueError("odd")).status == 500
