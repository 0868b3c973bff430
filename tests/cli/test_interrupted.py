"""Ctrl-C while `mlxd up` and `mlxd down` wait: nothing is lost, and nothing is left."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx2
import pytest
from tests.fakes.engine import HELD as HOLDS
from tests.processes import anywhere, left, runs
from tests.supervisor.harness import ROOT, fake, write_model

from mlxd.cli.background import EXIT_INTERRUPTED
from mlxd.supervisor.record import living_gateways

from .service import MAIN, PATIENCE_S, serving
from .test_serve import mlxd

# `up` as it is, except for the service that it starts.
UP = """
import json, sys
from pathlib import Path
from mlxd.cli.background import up
from mlxd.settings import Settings
command, model, data = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
flags = {"models": [model], "server.port": 0, "data_dir": data}
raise SystemExit(up(Settings(data_dir=Path(data)), flags, 600.0, command))
"""

# The command line as it is, held where it imports a module.
HELD = """
import sys, time
from importlib.abc import MetaPathFinder
class Hold(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == held:
            print("importing", name)
            while True:
                time.sleep(0.05)
held = sys.argv.pop(1)
sys.meta_path.insert(0, Hold())
from mlxd.cli import main
main()
"""


class Waiting:
    """A command in the foreground, and what it says."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "MLXD_CONFIG": os.devnull, "PYTHONUNBUFFERED": "1"},
        )
        self.output = ""

    def wait_for(self, pattern: str) -> None:
        assert self.process.stdout is not None
        while not re.search(pattern, self.output):
            line = self.process.stdout.readline()
            assert line, f"no {pattern!r} in:\n{self.output}"
            self.output += line

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        self.output += self.process.communicate(timeout=PATIENCE_S)[0]
        return self.process.returncode


@pytest.mark.parametrize(
    ("command", "module"),
    [("status", "typer"), ("down", "mlxd.settings"), ("serve", "mlxd.supervisor.opening")],
)
def test_a_command_that_is_interrupted_at_its_very_start_just_ends(
    command: str, module: str
) -> None:
    waiting = Waiting(sys.executable, "-c", HELD, module, command)
    waiting.wait_for(f"importing {module}")
    waiting.interrupt()
    assert (waiting.end(), waiting.output) == (EXIT_INTERRUPTED, f"importing {module}\n")


def test_up_that_is_interrupted_leaves_a_service_that_goes_on_starting(tmp_path: Path) -> None:
    data = tmp_path / "data"
    service = [sys.executable, "-c", MAIN, str(ROOT), json.dumps(fake())]
    model = write_model(tmp_path / "fake")
    # It loads for as long as it takes to see it there.
    held = model / HOLDS
    held.write_text("loading")
    up = Waiting(sys.executable, "-c", UP, json.dumps([*service, "serve"]), str(model), str(data))
    try:
        up.wait_for("fake: loading")
        up.interrupt()
        assert up.end() == EXIT_INTERRUPTED
        held.unlink()
        assert "goes on starting" in up.output
        assert "Traceback" not in up.output
        (running,) = living_gateways(data)
        assert str(running.gateway.pid) in up.output
        reply = httpx2.post(
            f"{running.url}/v1/chat/completions",
            json={"model": "fake", "messages": [{"role": "user", "content": "there"}]},
            timeout=PATIENCE_S,
        )
        assert reply.json()["choices"][0]["message"]["content"] == "there"
    finally:
        down = mlxd("down", "--data-dir", str(data))
    assert (down.returncode, down.stdout) == (0, "mlxd is down\n")
    assert left(anywhere(str(tmp_path))) == []


def test_down_that_is_interrupted_does_not_wait_for_answers(tmp_path: Path) -> None:
    with serving(tmp_path, "--rate", "5") as service:
        service.wait_for("fake is ready")
        began, got = threading.Event(), []

        def ask() -> None:
            with service.stream("[[tokens 1000]]") as reply:
                for line in reply.iter_lines():
                    got.append(line)
                    if '"content"' in line:
                        began.set()

        client = threading.Thread(target=ask)
        client.start()
        assert began.wait(PATIENCE_S)
        down = Waiting(sys.executable, "-m", "mlxd", "down", "--data-dir", str(service.data))
        service.wait_for("finishing what runs")
        down.interrupt()
        assert (down.end(), "mlxd is down" in down.output) == (0, True)
        assert service.process.wait(PATIENCE_S) == 0
        client.join()
    # The client is told, though there is nobody left to finish its answer.
    assert '"error"' in "".join(got)
    assert got[-2:] == ["data: [DONE]", ""]


def test_down_that_is_interrupted_twice_leaves_it_to_itself(tmp_path: Path) -> None:
    with serving(tmp_path, "--ignore-stop") as service:
        service.wait_for("fake is ready")
        (engine,) = service.engines()
        down = Waiting(sys.executable, "-m", "mlxd", "down", "--data-dir", str(service.data))
        service.wait_for("finishing what runs")
        down.interrupt()
        down.wait_for("once more to leave it")
        down.interrupt()
        assert down.end() == EXIT_INTERRUPTED
        assert "goes on ending" in down.output
        assert "Traceback" not in down.output
        # It ends in its own time: the engine did not listen, and is ended.
        assert service.process.wait(PATIENCE_S) == 0
        assert not runs(engine)


@pytest.mark.parametrize("place", ["a file", "/proc/nothing"])
def test_up_without_a_data_folder_says_so(tmp_path: Path, place: str) -> None:
    if place == "a file":
        place = str(tmp_path / "file")
        Path(place).touch()
    done = mlxd("up", "--port", "0", "--data-dir", place)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "--data-dir DIR" in done.stderr


def test_serve_without_a_data_folder_serves_and_ends(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with serving(tmp_path) as service:
        service.wait_for("what this process says is lost")
        service.wait_for("fake is ready")
        assert service.chat("well").json()["choices"][0]["message"]["content"] == "well"
        assert service.end() == 0
        rest = service.process.stdout
        assert rest is not None
        assert b"Traceback" not in rest.read()


def test_a_second_service_with_the_same_data_folder_says_so(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        service.wait_for("fake is ready")
        with serving(tmp_path) as second:
            second.wait_for(f"process {service.process.pid} serves .* with the same data folder")
            second.wait_for("fake is ready")
            assert second.chat("well").json()["choices"][0]["message"]["content"] == "well"
            assert second.end() == 0
        assert service.chat("still").json()["choices"][0]["message"]["content"] == "still"
        assert service.end() == 0
