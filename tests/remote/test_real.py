"""A service in front of another one, both as real processes, with the bundled model behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.cli.service import Service
from tests.processes import PATIENCE_S

from mlxd import pilot

KEY = "sk-elsewhere-42"
BODY = {
    "messages": [{"role": "user", "content": "只输出 OK"}],
    "temperature": 0,
    "max_tokens": 40,
}


class Far(Service):
    """`mlxd serve` on the bundled model, which asks for a token."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "far"
        command = [sys.executable, "-m", "mlxd", "serve", "--port", "0", "--token", KEY]
        self.process = subprocess.Popen(
            [*command, "--data-dir", str(self.data)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "MLXD_CONFIG": os.devnull},
        )
        self.output = ""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Far, Service, Path]]:
    folder = tmp_path_factory.mktemp("pair")
    far = Far(folder)
    config = folder / "mlxd.toml"
    near = None
    try:
        far.wait_for("is ready")
        config.write_text(
            f"[logging]\nlevel = 'debug'\n[[remotes]]\nname = 'farm'\nurl = '{far.url}/v1'\n"
            "key_env = 'FARM_KEY'\nmodels = { 'far-pilot' = 'pilot' }\n"
            "capabilities = ['text', 'vision', 'tool_use', 'structured_output']\n"
        )
        os.environ["FARM_KEY"] = KEY
        near = Service(folder, arguments=("--config", str(config)))
        near.wait_for("fake is ready")
        yield far, near, folder
    finally:
        os.environ.pop("FARM_KEY", None)
        for one in (near, far):
            if one is not None:
                one.process.send_signal(signal.SIGINT)
                one.process.communicate(timeout=PATIENCE_S)


def ask(service: Service, model: str, token: str = "", **more: object) -> httpx2.Response:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    url = f"{service.url}/v1/chat/completions"
    return httpx2.post(url, json={**BODY, "model": model, **more}, headers=headers, timeout=60)


def test_the_answer_is_the_same_by_both_ways(pair: tuple[Far, Service, Path]) -> None:
    far, near, _ = pair
    direct = ask(far, "pilot", KEY).json()["choices"]
    assert ask(near, "far-pilot").json()["choices"] == direct
    streamed = ask(near, "far-pilot", stream=True)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert streamed.text.endswith("data: [DONE]\n\n")
    wrong = ask(near, "far-pilot", temperature=9)
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "temperature")


@pytest.mark.parametrize("capability", ["text", "vision", "tool_use", "structured_output"])
def test_what_a_model_elsewhere_can_is_confirmed_by_asking_it(
    pair: tuple[Far, Service, Path], capability: str
) -> None:
    _, near, _ = pair
    path = f"/models/confirm_capability/far-pilot/{capability}"
    made = httpx2.post(near.url + path, timeout=60).json()
    assert made["confirmed"], made["detail"]
    shown = httpx2.get(f"{near.url}/models/capabilities", timeout=60).json()
    assert shown["models"]["far-pilot"]["confirmed"][capability]["confirmed"]


def test_the_key_is_in_no_file_and_no_engine_has_it(pair: tuple[Far, Service, Path]) -> None:
    _, near, folder = pair
    ask(near, "far-pilot")
    files = [path for path in (folder / "data").rglob("*") if path.is_file()]
    assert any(path.name == "gateway.log" for path in files)
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    for engine in near.engines():
        assert KEY not in engine.environ().values()


def test_the_end_of_a_server_elsewhere_ends_the_answer_with_an_error(
    pair: tuple[Far, Service, Path],
) -> None:
    """The last one: nobody is there any more afterwards."""
    far, near, _ = pair
    config = json.loads((pilot.path() / "config.json").read_text())
    ends = config["eos_token_id"]
    # It goes on for as long as it takes to see it and to end its server.
    never = dict.fromkeys(map(str, ends if isinstance(ends, list) else [ends]), -100)
    body = {**BODY, "model": "far-pilot", "stream": True, "logit_bias": never}
    del body["max_tokens"]
    body["messages"] = [{"role": "user", "content": "Write a very long story about a river."}]
    with httpx2.stream("POST", f"{near.url}/v1/chat/completions", json=body, timeout=60) as answer:
        lines = answer.iter_lines()
        next(line for line in lines if line.startswith("data: "))
        far.process.kill()
        rest = list(lines)
    assert '"code":"remote_failed"' in rest[-4]
    assert rest[-2] == "data: [DONE]"
    gone = ask(near, "far-pilot")
    assert (gone.status_code, gone.json()["error"]["code"]) == (503, "remote_unreachable")
