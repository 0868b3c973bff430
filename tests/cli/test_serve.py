"""The service from outside: one command, signals, and nothing left behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest
from tests.ports import free_port
from tests.processes import ORPHAN_S, PATIENCE_S, beneath, left, runs
from tests.supervisor.harness import write_model

from .service import serving


def test_one_command_answers_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        service.wait_for("fake is ready")
        answer = service.chat("hello you").json()
        assert answer["choices"][0]["message"]["content"] == "hello you"
        curl = service.wait_for(r"curl (\S+/v1/chat/completions)")[1]
        assert curl.startswith(service.url)
        engines = service.engines()
        assert len(engines) == 1
        assert service.end() == 0
        assert not any(map(runs, engines))
        assert list((service.data / "run").iterdir()) == []


def test_ctrl_c_lets_a_running_answer_end(tmp_path: Path) -> None:
    with serving(tmp_path, "--rate", "50") as service:
        service.wait_for("fake is ready")
        body = {
            "model": "fake",
            "stream": True,
            "messages": [{"role": "user", "content": "[[tokens 40]]"}],
        }
        with httpx2.stream(
            "POST", f"{service.url}/v1/chat/completions", json=body, timeout=60
        ) as answer:
            lines = answer.iter_lines()
            next(line for line in lines if "w3" in line)
            service.process.send_signal(signal.SIGINT)
            rest = "".join(lines)
        assert "w39" in rest
        assert rest.endswith("data: [DONE]")
        assert service.process.wait(PATIENCE_S) == 0


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    with serving(tmp_path, "--rate", "20") as service:
        service.wait_for("fake is ready")
        got: list[httpx2.Response] = []
        thread = threading.Thread(target=lambda: got.append(service.chat("[[tokens 100000]]")))
        thread.start()
        status = httpx2.get(f"{service.url}/status", timeout=60).json()
        while not status["engines"]["fake"]["running"]:
            status = httpx2.get(f"{service.url}/status", timeout=PATIENCE_S).json()
        service.process.send_signal(signal.SIGINT)
        service.wait_for("once more")
        assert service.end() == 0
        thread.join()
        assert got[0].status_code == 503


@pytest.mark.parametrize("stopped", [False, True])
def test_a_killed_service_leaves_no_engine(tmp_path: Path, stopped: bool) -> None:
    with serving(tmp_path) as service:
        service.wait_for("fake is ready")
        (engine,) = service.engines()
        if stopped:
            engine.suspend()
        service.process.kill()
        service.process.wait()
        if not stopped:
            assert left([engine], ORPHAN_S) == []
            return
        assert runs(engine)
        # Nothing inside a stopped process can end it; the next start does.
        with serving(tmp_path) as second:
            second.wait_for(f"ended engine {engine.pid}")
            second.wait_for("fake is ready")
            assert not runs(engine)
            assert second.end() == 0


def test_an_engine_that_is_still_loading_goes_with_the_service(tmp_path: Path) -> None:
    with serving(tmp_path, "--never-ready") as service:
        service.wait_for("starting -> loading")
        (engine,) = service.engines()
        service.process.kill()
        assert left([engine], ORPHAN_S) == []


def test_a_taken_port_is_named_and_its_owner_left_alone(tmp_path: Path) -> None:
    model = write_model(tmp_path / "fake")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        command = ["serve", "--model", str(model), "--port", str(port)]
        done = mlxd(*command, "--data-dir", str(tmp_path / "data"))
        assert done.returncode == 3
        assert f"process {os.getpid()} (" in done.stderr
        assert f"--port {port + 1}" in done.stderr
        with socket.create_connection(("127.0.0.1", port)):
            pass


def test_a_second_address_serves_only_v1(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "mlxd.toml"
    config.write_text(f"[server]\nv1_port = {port}\n")
    with serving(tmp_path, arguments=("--config", str(config))) as service:
        service.wait_for("fake is ready")
        assert httpx2.get(f"http://127.0.0.1:{port}/v1/models", timeout=60).status_code == 200
        assert httpx2.get(f"http://127.0.0.1:{port}/status", timeout=60).status_code == 404
        assert httpx2.get(f"{service.url}/status", timeout=60).status_code == 200
        assert service.end() == 0


def test_a_model_that_cannot_start_ends_the_command_with_its_reason(tmp_path: Path) -> None:
    with serving(tmp_path, "--fail-load") as service:
        service.wait_for("has no weights")
        assert service.process.wait(PATIENCE_S) == 4


def test_a_crashed_engine_is_replaced_under_an_http_stream(tmp_path: Path) -> None:
    with serving(tmp_path, "--rate", "100") as service:
        service.wait_for("fake is ready")
        (engine,) = service.engines()
        body = {
            "model": "fake",
            "stream": True,
            "messages": [{"role": "user", "content": "[[tokens 60]]"}],
        }
        url = f"{service.url}/v1/chat/completions"
        with httpx2.stream("POST", url, json=body, timeout=60) as answer:
            lines = answer.iter_lines()
            before = [next(lines) for _ in range(10)]
            engine.kill()
            text = "".join([*before, *lines])
        # The fake engine says w0, w1, … each once.
        assert [text.count(f'"w{i} "') for i in range(60)] == [1] * 60
        assert service.end() == 0


def test_status_config_logs_and_models(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        service.wait_for("fake is ready")
        data = ("--data-dir", str(service.data))
        shown = mlxd("status", *data)
        assert "fake  ready" in shown.stdout
        assert shown.returncode == 0
        assert '"state": "ready"' in mlxd("status", "--json", *data).stdout
        # From another HOME, the port finds it, and the folder says whose it is.
        other = ("--data-dir", str(tmp_path / "another"))
        port = service.url.rpartition(":")[2]
        found = mlxd("status", *other, environ={"MLXD_SERVER_PORT": port})
        assert (found.returncode, f"its data folder is {service.data}" in found.stdout) == (0, True)
        assert mlxd("status", *other, "--url", "http://127.0.0.1:1").returncode == 3
        assert mlxd("logs", "fake", *data).returncode == 0
        assert "There are: fake" in mlxd("logs", "other", *data).stderr
        assert service.end() == 0
    gone = mlxd("status", *data)
    assert gone.returncode == 3
    assert "not running" in gone.stdout
    assert "server.port" in mlxd("config").stdout
    assert "qwen3-vl-4b" in mlxd("models", "ls").stdout
    assert '"alias' in mlxd("models", "ls", "--json").stdout


def test_status_tells_a_service_that_is_not_ready_from_one_that_is_at_rest(tmp_path: Path) -> None:
    with serving(tmp_path, "--never-ready") as service:
        data = ("--data-dir", str(service.data))
        service.wait_for("listening")
        loading = mlxd("status", *data)
        assert (loading.returncode, "fake  " in loading.stdout) == (1, True)
        stopped = httpx2.post(f"{service.url}/engines/fake/stop", timeout=60)
        assert stopped.status_code == 200
        while "at rest" not in (shown := mlxd("status", *data)).stdout:
            assert shown.returncode == 1
        # The next request starts it, so a load balancer may send one.
        assert shown.returncode == 0
        assert httpx2.get(f"{service.url}/ready", timeout=PATIENCE_S).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["serve", "--model", "/nonexistent"], 1, "no such folder"),
        (["serve", "--model", "qwen3-vl-4b"], 1, "mlxd models pull"),
        (["serve", "--port", "99999"], 2, "server.port"),
        (["serve", "--model", "."], 1, "config.json is missing"),
    ],
)
def test_mistakes_end_with_advice_and_no_traceback(
    arguments: list[str], code: int, told: str
) -> None:
    done = mlxd(*arguments)
    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_help_has_examples() -> None:
    assert "mlxd serve --model" in mlxd("serve", "--help").stdout
    assert "serve" in mlxd("--help").stdout


def mlxd(
    *arguments: str, environ: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    # Whoever has the usual port on this machine is none of these tests' business.
    fixed = {"MLXD_CONFIG": os.devnull, "HF_HUB_CACHE": "/nonexistent"}
    environ = {"MLXD_SERVER_PORT": "1", **os.environ, **fixed, **(environ or {})}
    command = [sys.executable, "-m", "mlxd", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, env=environ, check=False
    )


def test_no_process_is_left_by_these_tests() -> None:
    assert beneath(os.getpid(), "serve") == []
