"""`mlxd run` as a person and as a script would use it: a real service, a real terminal."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.terminal import Terminal

from .service import PATIENCE_S, Service, serving

RUN = (sys.executable, "-m", "mlxd", "run")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("run"), "--rate", "200") as started:
        started.wait_for("fake is ready")
        yield started


def environment(service: Service) -> dict[str, str]:
    return {**os.environ, "MLXD_CONFIG": os.devnull, "MLXD_DATA_DIR": str(service.data)}


def run(service: Service, *arguments: str, piped: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*RUN, *arguments],
        input=piped,
        capture_output=True,
        text=True,
        env=environment(service),
        timeout=PATIENCE_S,
    )


def test_one_answer(service: Service) -> None:
    done = run(service, "fake", "hello you")
    assert done.stdout == "hello you\n", done.stderr
    assert done.returncode == 0


def test_what_is_piped_in_is_added(service: Service) -> None:
    assert "and the rest" in run(service, "fake", "first", piped="and the rest\n").stdout
    assert run(service, "fake", piped="only this").stdout == "only this\n"
    nothing = run(service, "fake")
    assert nothing.returncode == 1
    assert "nothing to ask" in nothing.stderr


def test_a_script_gets_the_whole_answer(service: Service) -> None:
    answer = json.loads(run(service, "fake", "hello", "--json").stdout)
    assert answer["choices"][0]["message"]["content"] == "hello"


def test_an_image_is_sent(service: Service, tmp_path: Path) -> None:
    import base64

    pixel = (
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJg"
        "gg=="
    )
    image = tmp_path / "one.png"
    image.write_bytes(base64.b64decode(pixel))
    done = run(service, "fake", "see", "--image", str(image))
    assert done.returncode == 0, done.stderr
    absent = run(service, "fake", "see", "--image", str(tmp_path / "absent.png"))
    assert absent.returncode == 1
    assert "can't be read" in absent.stderr


def test_a_model_that_is_not_here_says_how_to_get_it(service: Service) -> None:
    done = run(service, "qwen3-vl-4b", "hello")
    assert done.returncode == 1
    assert "mlxd models pull qwen3-vl-4b" in done.stderr
    unknown = run(service, "fak", "hello")
    assert unknown.returncode == 1
    assert "fake" in unknown.stderr


def test_a_chat_goes_on_after_an_answer_was_stopped(service: Service) -> None:
    terminal = Terminal([*RUN, "fake"], environment(service))
    terminal.until("> ")
    terminal.type("hello you\n")
    terminal.until("hello you\r\n")
    terminal.until("hello you\r\n")
    terminal.until("> ")
    terminal.type("[[tokens 100000]]\n")
    terminal.until("w20")
    terminal.type("\x03")
    terminal.until("> ")
    terminal.type("once more\n")
    terminal.until("once more\r\n")
    terminal.until("once more\r\n")
    terminal.until("> ")
    terminal.type("/bye\n")
    assert terminal.close() == 0
