"""Who may ask a server elsewhere, how often, and what is known of it."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ports import free_port
from tests.processes import PATIENCE_S
from tests.supervisor.harness import until

from mlxd.supervisor.opening import open_for
from mlxd.supervisor.remote import health as pauses
from mlxd.supervisor.remote.health import LONGEST_PAUSE_S, Health

from .conftest import Here, body, here
from .hostile import WHOLE, Hostile


@pytest.fixture
def _no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left alone for longer than any machine takes for the rest of the test."""
    monkeypatch.setattr(pauses, "FIRST_PAUSE_S", LONGEST_PAUSE_S)


@pytest.mark.usefixtures("_no_second_look")
async def test_a_server_that_is_gone_is_named_and_then_left_alone_for_a_while(
    tmp_path: Path,
) -> None:
    closed = Hostile()
    closed.port = free_port()
    async with here(tmp_path, closed) as far:
        answers = [await far.chat("far-ok", stream=True) for _ in range(4)]
        told = [one.json()["error"] for one in answers]
        assert {one.status_code for one in answers} == {503}
        assert {one["code"] for one in told} == {"remote_unreachable"}
        assert closed.url in told[0]["message"]
        assert "ConnectError" in told[0]["message"]
        assert "failed 3 times in a row" in told[3]["message"]
        assert 1 <= int(answers[3].headers["retry-after"]) <= LONGEST_PAUSE_S
        shown = await far.status()
        assert (shown["state"], shown["failed"]) == ("failing", 3)
        assert (await far.client.get("/ready")).status_code == 503


@pytest.mark.usefixtures("_no_second_look")
async def test_it_is_found_again_by_one_request_while_others_are_refused(
    far: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    (remote,) = far.service._remotes.all()
    for _ in range(3):
        await far.chat("far-nonsense")
    assert remote.state == "failing"
    assert (await far.chat("far-ok")).status_code == 503
    monkeypatch.setattr(remote.health, "_until", 0.0)
    probe = asyncio.create_task(far.chat("far-held"))
    await until(lambda: "held" in far.hostile.models)
    assert (await far.chat("far-ok")).status_code == 503
    far.hostile.go_on.set()
    assert (await probe).content == WHOLE
    assert (await far.chat("far-ok")).content == WHOLE
    assert (await far.status())["state"] == "ready"


@given(st.lists(st.sampled_from(["ask", "fail", "answer", "leave", "wait"]), max_size=60))
def test_whatever_happens_somebody_may_ask_again_in_time(events: list[str]) -> None:
    health, now, out = Health(), 0.0, 0
    for event in events:
        if event == "ask":
            wait = health.admit(now)
            assert wait is None or 0 < wait <= LONGEST_PAUSE_S
            out += wait is None
            assert health.state != "failing" or wait is not None or out >= 1
        elif event == "wait":
            now += 7.0
        elif out:
            out -= 1
            if event == "fail":
                health.failed(now)
            elif event == "answer":
                health.answered()
                assert health.admit(now) is None
            else:
                health.left()
    for _ in range(out):
        health.left()
    assert health.admit(now + LONGEST_PAUSE_S) is None


async def test_more_than_it_takes_at_once_wait_and_more_than_that_are_refused(
    tmp_path: Path, hostile: Hostile
) -> None:
    async with here(tmp_path, hostile, queue_limit=5, concurrency=2) as far:
        tasks = [asyncio.create_task(far.chat("far-held")) for _ in range(5)]
        await until(lambda: far.there("waiting") == 3)
        await until(lambda: len(hostile.requests) == 2)
        refused = await far.chat("far-ok")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        tasks.pop().cancel()
        await until(lambda: far.there("waiting") == 2)
        hostile.go_on.set()
        assert [(await one).content for one in tasks] == [WHOLE] * 4
        shown = await far.status()
        assert (shown["running"], shown["waiting"]) == (0, 0)


async def test_a_service_that_is_its_own_remote_ends_the_loop(
    tmp_path: Path, hostile: Hostile
) -> None:
    async with here(tmp_path, hostile) as far:
        hostile.port = far.client.base_url.port
        config = far.settings.remotes[0]
        again = type(config)(name="me", url=hostile.url, models={"me": "me"})
        far.service._remotes.replace([again], 0.0)
        answer = await far.chat("me")
        assert (answer.status_code, answer.json()["error"]["code"]) == (508, "remote_loop")


async def test_it_serves_a_capability_and_is_listed_and_counted(
    tmp_path: Path, hostile: Hostile
) -> None:
    async with here(tmp_path, hostile) as far:
        wrong = {"model_id": "far-ok"}
        refused = await far.client.post("/models/global_capability/vision", json=wrong)
        assert refused.json()["error"]["code"] == "model_not_capable"
        made = await far.client.post("/models/global_capability/text", json=wrong)
        assert (made.json()["model_id"], made.json()["state"]) == ("far-ok", "untried")
        assert (await far.client.get("/ready")).status_code == 200
        answer = await far.client.post("/v1/chat/completions", json=body("text"))
        assert answer.content == WHOLE
        (listed,) = [
            one
            for one in (await far.client.get("/v1/models")).json()["data"]
            if one["id"] == "far-ok"
        ]
        assert (listed["owned_by"], listed["state"]) == ("far", "ready")
        await far.chat("far-ok", stream=True)
        shown = await far.status()
        assert (shown["requests"], shown["tokens_in"], shown["tokens_out"]) == (2, 14, 4)
        metrics = (await far.client.get("/metrics")).text
        assert 'mlxd_remote_requests_total{model="far-ok"} 2.0' in metrics
        assert 'mlxd_remote_tokens_out_total{model="far-ok"} 4.0' in metrics
        assert 'mlxd_remote_state{remote="far",state="ready"} 1.0' in metrics
        assert 'mlxd_remote_time_to_first_byte_seconds_count{model="far-ok"} 2.0' in metrics
        # Kept, and no engine is started for it at the next start.
        again = open_for(far.settings)
        assert again.assigned["text"] == "far-ok"
        first = again.first()
        assert first is not None
        assert first.id != "far-ok"


async def test_other_settings_leave_what_runs_alone(tmp_path: Path, hostile: Hostile) -> None:
    async with here(tmp_path, hostile) as far:
        running = asyncio.create_task(far.chat("far-held"))
        await until(lambda: hostile.requests)
        changed = far.service._remotes.replace([], 5.0)
        assert changed == ["far"]
        unknown = await far.chat("far-ok")
        assert unknown.status_code == 404
        hostile.go_on.set()
        assert (await running).content == WHOLE


async def test_what_was_assigned_to_a_server_that_is_declared_no_more_goes_to_the_next(
    tmp_path: Path, hostile: Hostile
) -> None:
    async with here(tmp_path, hostile) as far:
        for capability in ("text", "reasoning"):
            await far.service.assign(capability, "far-ok")
        without = msgspec.structs.replace(far.settings, remotes=[])
        for _ in range(2):
            told = far.service.reload(without)
            shown = far.service.assignments()["capabilities"]
            assert shown["text"]["model_id"] == "fake"
            assert shown["reasoning"]["model_id"] is None
        assert told["changed"] == []
        answer = await far.client.post("/v1/chat/completions", json=body("text"))
        assert answer.status_code == 200
        # Declared again, it is there again.
        assert far.service.reload(far.settings)["remotes"] == ["far"]
        assert (await far.chat("far-ok")).content == WHOLE


@pytest.mark.parametrize("stream", [True, False])
async def test_a_service_that_stops_does_not_wait_for_ever(
    tmp_path: Path, hostile: Hostile, stream: bool
) -> None:
    async with here(tmp_path, hostile) as far:
        asked = body("far-stall" if stream else "far-mute", stream=stream)
        arrived = asyncio.Event()

        async def ask() -> tuple[int, str]:
            async with far.client.stream("POST", "/v1/chat/completions", json=asked) as answer:
                text = ""
                async for piece in answer.aiter_text():
                    arrived.set()
                    text += piece
            return answer.status_code, text

        running = asyncio.create_task(ask())
        await until(lambda: arrived.is_set() if stream else hostile.requests)
        async with asyncio.timeout(PATIENCE_S):
            await far.service.close()
            status, text = await running
        assert (status == 200) is stream
        assert "The service is stopping at once" in text
        await asyncio.wait_for(hostile.gone.wait(), 60)


async def test_who_reads_slowly_gets_whole_events_and_an_end_when_the_service_ends_at_once(
    far: Here,
) -> None:
    async with far.client.stream(
        "POST", "/v1/chat/completions", json=body("far-flood", stream=True)
    ) as reply:
        lines = reply.aiter_lines()
        await anext(lines)
        before = -1
        while far.hostile.flooded != before:
            # Until everything between it and us is full.
            before = far.hostile.flooded
            await asyncio.sleep(0.5)
        far.service.hurry()
        async with asyncio.timeout(PATIENCE_S):
            rest = [line async for line in lines if line.startswith("data: ")]
    assert "The service is stopping at once" in rest[-2]
    assert rest[-1] == "data: [DONE]"
    assert all(json.loads(line.removeprefix("data: ")) for line in rest[:-1])
    await asyncio.wait_for(far.hostile.gone.wait(), 60)
