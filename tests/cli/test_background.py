"""`mlxd up` and `down` with the model that comes with it."""

import json
import socket
from pathlib import Path

import httpx2
from tests.processes import anywhere, beneath, left

from mlxd.cli.background import EXIT_NO_MODEL
from mlxd.cli.status import EXIT_NOT_READY
from mlxd.supervisor.record import living_gateways

from .test_serve import mlxd


def test_up_serves_in_the_background_until_down(tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path / "data"))
    done = mlxd("up", "--port", "0", *data)
    try:
        assert done.returncode == 0, done.stderr
        assert "mlxd is up: http" in done.stdout
        again = mlxd("up", "--port", "0", *data)
        assert (again.returncode, "running already" in again.stdout) == (0, True)
        (url,) = json.loads(mlxd("status", "--json", *data).stdout)
        assert httpx2.get(f"{url}/ready", timeout=60).status_code == 200
        shown = mlxd("models", "show", *data).stdout
        assert "vision             pilot  ready" in shown
        assert "reranker           -" in shown
        assert mlxd("models", "assign", "vision", *data).stdout == "vision: no model\n"
        assert mlxd("models", "assign", "code", "pilot", *data).stdout == "code: pilot\n"
        wrong = mlxd("models", "assign", "reranker", "pilot", *data)
        assert (wrong.returncode, "can't do reranker" in wrong.stderr) == (1, True)
        asked = mlxd("models", "confirm", "pilot", "text", *data)
        assert (asked.returncode, "text  confirmed: it repeated" in asked.stdout) == (0, True)
        asked = mlxd("models", "confirm", "pilot", "embedding", "text", *data)
        assert (asked.returncode, "embedding  not confirmed: " in asked.stdout) == (1, True)
        assert "code               pilot  ready" in mlxd("models", "show", *data).stdout
        one = mlxd("models", "show", "pilot", *data).stdout
        assert "\npilot\n" in one
        assert "reranker" not in one
        assert "There are: pilot." in mlxd("models", "show", "nope", *data).stderr
        assert (tmp_path / "data/logs/gateway.log").stat().st_size > 0
        assert "INFO" not in (tmp_path / "data/logs/up.log").read_text()
    finally:
        down = mlxd("down", *data)
    assert (down.returncode, down.stdout) == (0, "mlxd is down\n")
    assert mlxd("down", *data).stdout == "mlxd is not running\n"
    assert mlxd("models", "show", *data).returncode == 3
    assert left(anywhere(str(tmp_path))) == []


def test_up_passes_on_why_it_ended(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = str(sock.getsockname()[1])
        done = mlxd("up", "--port", port, "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 3
    assert "it was left alone" in done.stderr


def test_up_says_so_when_no_model_fits_into_the_memory_budget(tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path / "data"))
    done = mlxd("up", "--port", "0", *data, environ={"MLXD_ENGINE_MEMORY_BUDGET": "1000000"})
    try:
        assert done.returncode == EXIT_NO_MODEL, done
        assert "No model can answer: pilot needs about" in done.stderr
        assert "engine.memory_budget" in done.stderr
        (service,) = living_gateways(tmp_path / "data")
        # The engine that was started before anybody could know is gone again.
        assert left(beneath(service.gateway.pid)) == []
        assert httpx2.get(f"{service.url}/ready", timeout=60).status_code == 503
        body = {"model": "pilot", "messages": [{"role": "user", "content": "Hello"}]}
        refused = httpx2.post(f"{service.url}/v1/chat/completions", json=body, timeout=60)
        assert (refused.status_code, "pilot needs about" in refused.text) == (503, True)
        shown = mlxd("status", *data)
        assert shown.returncode == EXIT_NOT_READY
        assert "pilot  too big for the memory budget" in shown.stdout
    finally:
        down = mlxd("down", *data)
    assert (down.returncode, down.stdout) == (0, "mlxd is down\n")
