"""Downloads over HTTP, from a hub on this machine, by the service as it is started."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.cli.service import PATIENCE_S, Service, serving
from tests.fakes.hub import FakeHub, running
from tests.processes import beneath, left

NAME = "org/small"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    for name in [one for one in os.environ if one.startswith("HF_")]:
        monkeypatch.delenv(name)
    with running() as started:
        monkeypatch.setenv("HF_ENDPOINT", started.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("HOME", str(tmp_path))
        started.add(NAME, _files(400_000))
        yield started


def _files(size: int) -> dict[str, bytes]:
    header = b'{"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (size, size)
    return {
        "config.json": b'{"model_type": "qwen3_vl", "vision_config": {}}',
        "tokenizer.json": b"{}",
        "chat_template.jinja": b"{{ tools }}",
        "model.safetensors": len(header).to_bytes(8, "little") + header + bytes(size),
    }


def _begin(service: Service, **body: Any) -> httpx2.Response:
    return httpx2.post(f"{service.url}/models/pull", json={"model": NAME, **body}, timeout=60)


def _events(text: str) -> list[dict[str, Any]]:
    frames = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data:")]
    assert frames[-1] == "[DONE]"
    return [json.loads(frame) for frame in frames[:-1]]


def _done(line: str) -> int:
    return int(json.loads(line.removeprefix("data: "))["done"])


def _chat(service: Service, model: str = NAME) -> httpx2.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    return httpx2.post(f"{service.url}/v1/chat/completions", json=body, timeout=60)


def test_from_a_404_over_a_download_to_an_answer(hub: FakeHub, tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        service.wait_for("fake is ready")
        refused = _chat(service)
        assert refused.status_code == 404
        error = refused.json()["error"]
        assert error["code"] == "model_not_found"
        assert f"mlxd models pull {NAME}" in error["message"]
        events = _events(_begin(service, stream=True).text)
        assert events[-1]["state"] == "done"
        assert "error" not in events[-1]
        assert [e["done"] for e in events] == sorted(e["done"] for e in events)
        answer = _chat(service)
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"] == NAME


def test_two_who_ask_follow_one_download_and_one_can_end_it(hub: FakeHub, tmp_path: Path) -> None:
    hub.switches.stays_at = 200_000
    with serving(tmp_path) as service:
        service.wait_for("fake is ready")
        first = _begin(service)
        assert first.status_code == 202
        accept = {"accept": "text/event-stream"}
        address = f"{service.url}/models/pull/{NAME}"
        with httpx2.stream("GET", address, headers=accept, timeout=60) as follower:
            lines = follower.iter_lines()
            # Enough for the next one to have something to go on from.
            next(line for line in lines if '"downloading"' in line and _done(line) > 100_000)
            second = _begin(service).json()
            assert second["state"] == "downloading"
            waiting = _chat(service)
            assert waiting.status_code == 503
            assert waiting.json()["error"]["code"] == "model_downloading"
            assert int(waiting.headers["retry-after"]) >= 1
            ended = httpx2.delete(address, timeout=60).json()
            assert ended["state"] == "cancelled"
            rest = list(lines)
        assert any('"cancelled"' in line for line in rest)
        hub.switches.stays_at = None
        assert _events(_begin(service, stream=True).text)[-1]["state"] == "done"
        assert len(hub.fetched("model.safetensors")) == 2
        assert hub.fetched("model.safetensors")[1].range


def test_a_failed_download_says_why(hub: FakeHub, tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        service.wait_for("fake is ready")
        events = _events(_begin(service, model="org/other", stream=True).text)
        assert events[-1]["error"]["code"] == "hub_model_not_found"
        unknown = _begin(service, model="no-such-alias")
        assert unknown.status_code == 404
        assert unknown.json()["error"]["code"] == "model_not_found"
        absent = httpx2.get(f"{service.url}/models/pull/org/never", timeout=60)
        assert absent.json()["error"]["code"] == "download_not_found"
        strange = _begin(service, quick=True)
        assert strange.status_code == 400
        listed = httpx2.get(f"{service.url}/models/pull", timeout=60).json()
        assert [one["model"] for one in listed] == ["org/other"]


@pytest.mark.parametrize("kill", [False, True])
def test_no_download_outlives_the_service(hub: FakeHub, tmp_path: Path, kill: bool) -> None:
    hub.switches.stays_at = 100_000
    with serving(tmp_path) as service:
        service.wait_for("fake is ready")
        _begin(service)
        until = time.monotonic() + PATIENCE_S
        while not hub.fetched("model.safetensors") and time.monotonic() < until:
            time.sleep(0.05)
        (child,) = beneath(service.process.pid, "mlxd.catalog.pull")
        if kill:
            service.process.kill()
        else:
            service.end()
        assert left([child]) == []


def test_auto_pull_downloads_what_a_request_names(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXD_CATALOGUE_AUTO_PULL", "on")
    with serving(tmp_path) as service:
        service.wait_for("fake is ready")
        first = _chat(service)
        assert first.status_code == 503
        assert first.json()["error"]["code"] == "model_downloading"
        address = f"{service.url}/models/pull/{NAME}"
        followed = httpx2.get(address, headers={"accept": "text/event-stream"}, timeout=60)
        assert _events(followed.text)[-1]["state"] == "done"
        assert _chat(service).status_code == 200
        assert _chat(service, "no-such-alias").status_code == 404
        looked = httpx2.get(f"{service.url}/v1/models/org/other", timeout=60)
        assert (looked.status_code, looked.json()["error"]["code"]) == (404, "model_not_found")
        assert len(httpx2.get(f"{service.url}/models/pull", timeout=60).json()) == 1
        failed = _chat(service, "org/other")
        assert failed.status_code == 503
        address = f"{service.url}/models/pull/org/other"
        httpx2.get(address, headers={"accept": "text/event-stream"}, timeout=60)
        told = _chat(service, "org/other").json()["error"]["message"]
        assert "could not be downloaded" in told


def test_the_gateway_imports_nothing_of_the_hub() -> None:
    code = "import sys, mlxd.cli.serving; print('huggingface_hub' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
