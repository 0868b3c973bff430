"""What a server elsewhere answers comes out here as it came, or as an error that names it."""

import asyncio
import json
import logging
from pathlib import Path

import pytest
from tests.supervisor.harness import until

from .conftest import KEY, Here, body, here
from .hostile import EVENTS, WHOLE, Hostile

ALL = b"".join(EVENTS)


@pytest.mark.parametrize("model", ["far-ok", "far-split"])
async def test_a_stream_passes_byte_for_byte(far: Here, model: str) -> None:
    answer = await far.chat(model, stream=True)
    assert (answer.status_code, answer.content) == (200, ALL)
    assert answer.headers["content-type"] == "text/event-stream"


async def test_a_whole_answer_passes_byte_for_byte_and_no_cookie_with_it(far: Here) -> None:
    answer = await far.chat("far-ok")
    assert (answer.status_code, answer.content) == (200, WHOLE)
    assert answer.headers["x-ratelimit-remaining"] == "3"
    assert "set-cookie" not in answer.headers


async def test_the_request_passes_with_their_name_and_our_key_alone(far: Here) -> None:
    headers = {"authorization": "Bearer of-the-client", "cookie": "a=b", "origin-of": "x"}
    sent = body("far-ok", knob={"of": ["theirs", 1.5, None]}, temperature=0.1)
    await far.client.post("/v1/chat/completions", json=sent, headers=headers)
    ((path, got, said),) = far.hostile.requests
    assert path == "/v1/chat/completions"
    assert said == {**sent, "model": "ok"}
    assert got["authorization"] == f"Bearer {KEY}"
    assert "cookie" not in got
    assert "origin-of" not in got


async def test_embeddings_and_bare_completions_go_there_too(far: Here) -> None:
    one = await far.client.post("/v1/embeddings", json={"model": "far-embed", "input": "a"})
    two = await far.client.post("/v1/completions", json={"model": "far-ok", "prompt": "a"})
    assert [one.status_code, two.status_code] == [200, 200]
    assert [path for path, _, _ in far.hostile.requests] == ["/v1/embeddings", "/v1/completions"]


@pytest.mark.parametrize("model", ["far-flaky", "far-flaky-503", "far-flaky-head"])
@pytest.mark.parametrize("stream", [True, False])
async def test_before_the_first_byte_it_is_asked_again(far: Here, model: str, stream: bool) -> None:
    far.hostile.failures = 2
    answer = await far.chat(model, stream=stream)
    assert answer.content == (ALL if stream else WHOLE)
    assert len(far.hostile.requests) == 3
    assert (await far.status())["asked_again"] == 2


async def test_after_the_first_byte_it_is_not_asked_again(far: Here) -> None:
    answer = await far.chat("far-half", stream=True)
    whole = await far.chat("far-half")
    assert len(far.hostile.requests) == 2
    # Whole events, then an event with the error: nothing that a client could not parse.
    assert answer.content.startswith(EVENTS[0] + EVENTS[1] + b'data: {"error":')
    assert answer.content.endswith(b"data: [DONE]\n\n")
    told = json.loads(answer.content.split(b"data: ")[-2])["error"]
    assert told["code"] == "remote_failed"
    assert "broke off" in told["message"]
    assert (whole.status_code, whole.json()["error"]["code"]) == (502, "remote_failed")


async def test_a_stream_that_only_stops_is_no_answer(far: Here) -> None:
    cut = await far.chat("far-no-done", stream=True)
    assert b"ended before the answer did" in cut.content
    done = await far.chat("far-finish-without-done", stream=True)
    assert done.content == b"".join(EVENTS[:3])


@pytest.mark.parametrize(
    ("model", "status", "code", "told"),
    [
        ("far-302", 502, "remote_failed", "redirects to 'http://127.0.0.1:1/login'"),
        ("far-login-page", 502, "remote_failed", "answered with 'text/html'"),
        ("far-500-html", 502, "remote_failed", "it answered 500: <html>oops"),
        ("far-404-html", 404, "remote_failed", "nothing here"),
        ("far-nonsense", 503, "remote_unreachable", "can't be reached"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_what_no_client_could_read_becomes_our_envelope(
    far: Here, model: str, status: int, code: str, told: str, stream: bool
) -> None:
    answer = await far.chat(model, stream=stream)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert told in answer.json()["error"]["message"]
    assert "far" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("model", "status", "retry", "given"),
    [
        ("far-400", 400, None, b'{"error": {"message":"no such knob",  "param":"knob"}}'),
        ("far-429", 429, "3", b'{"error":{"message":"slower"}}'),
        ("far-503", 503, "7", b'{"error":{"message":"full"}}'),
        ("far-500", 500, None, b'{"error":{"message":"the cache is on fire"}}'),
    ],
)
async def test_its_own_refusals_pass_and_are_not_asked_again(
    far: Here, model: str, status: int, retry: str | None, given: bytes
) -> None:
    answer = await far.chat(model, stream=True)
    assert (answer.status_code, answer.content) == (status, given)
    assert answer.headers.get("retry-after") == retry
    assert len(far.hostile.requests) == 1
    assert (await far.status())["state"] == "ready"


async def test_silence_has_a_limit_and_slowness_has_none(tmp_path: Path, hostile: Hostile) -> None:
    async with here(tmp_path, hostile, stall_timeout=4.0, first_timeout=4.0) as far:
        slow, cut, whole, mute = await asyncio.gather(
            far.chat("far-slow", stream=True),
            far.chat("far-stall", stream=True),
            far.chat("far-stall"),
            far.chat("far-mute"),
        )
        assert slow.content.endswith(b"[DONE]\n\n")
        assert b"error" not in slow.content
        assert cut.content.startswith(EVENTS[0])
        assert b"nothing came for 4 s" in cut.content
        assert (whole.status_code, "nothing came" in whole.text) == (502, True)
        assert (mute.status_code, mute.json()["error"]["code"]) == (504, "remote_timeout")
        await asyncio.wait_for(hostile.gone.wait(), 60)


@pytest.mark.parametrize("model", ["far-mute", "far-stall"])
@pytest.mark.parametrize("stream", [True, False])
async def test_who_leaves_here_is_gone_there(tmp_path, hostile, model: str, stream: bool) -> None:
    async with here(tmp_path, hostile) as far:
        task = asyncio.create_task(far.chat(model, stream=stream))
        await until(lambda: hostile.requests)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(hostile.gone.wait(), 60)
        await until(lambda: not far.there("running"))
        # A client that leaves says nothing about the server.
        assert (await far.status())["state"] == "untried"


async def test_the_key_is_nowhere_to_be_seen(
    far: Here, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    refused = await far.chat("far-401")
    assert refused.status_code == 401
    assert "Wrong key: Bearer (key)" in refused.text
    assert "FAR_KEY" in (await far.status())["last_error"]
    seen = [refused.text, str(refused.headers)]
    for path in ("/status", "/metrics", "/v1/models", "/models/capabilities", "/openapi.json"):
        seen.append((await far.client.get(path)).text)
    monkeypatch.setenv("FAR_KEY", KEY + "\nx-smuggled: 1")
    broken = await far.chat("far-ok")
    assert (broken.status_code, broken.json()["error"]["code"]) == (503, "remote_key_missing")
    monkeypatch.delenv("FAR_KEY")
    missing = await far.chat("far-ok")
    assert "FAR_KEY is not set" in missing.json()["error"]["message"]
    assert (await far.status())["state"] == "no key"
    seen += [broken.text, missing.text, caplog.text]
    assert not [text for text in seen if KEY in text]
