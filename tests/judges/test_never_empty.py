"""A model that raises gives an error with its own message, never an empty success, whichever way
the answer was asked for. Real engines; what raises is put into their environment."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .service import Service, answered

pytestmark = pytest.mark.timeout(600)

FAULTS = Path(__file__).with_name("faults")
SERVE = (sys.executable, "-m", "mlxd", "serve", "--port", "0")
PLACES = ("prefill", "decode", "detokenise")


def faults(file: Path) -> dict[str, str]:
    path = [str(FAULTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(path), "FAULT_FILE": str(file)}


def fresh() -> list[dict[str, str]]:
    """A prompt that no cache knows, so that it has to be prefilled."""
    return [{"role": "user", "content": secrets.token_hex(8)}]


class Broken(Service):
    """A service whose engines raise where `file` says."""

    def __init__(self, models: list[Path], home: Path, file: Path, **environment: str) -> None:
        self.file = file
        super().__init__(models, home, faults(file) | environment)

    def stream(self, model: str) -> tuple[int, list[Any]]:
        """The status, and the events of a stream, each as JSON but the last."""
        body = {"model": model, "messages": fresh(), "max_tokens": 8, "stream": True}
        events: list[Any] = []
        with self.http.stream("POST", "/v1/chat/completions", json=body) as response:
            for line in response.iter_lines():
                if line.startswith("data: "):
                    data = line.removeprefix("data: ")
                    events.append(data if data == "[DONE]" else json.loads(data))
                elif line.startswith("{"):
                    events.append(json.loads(line))
            return response.status_code, events


@pytest.fixture(scope="module")
def broken(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broken]:
    folder = tmp_path_factory.mktemp("broken")
    made = Broken([models / "tiny", models / "tiny-vl"], folder / "home", folder / "fault")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def mended(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "broken" in request.fixturenames:
        request.getfixturevalue("broken").file.unlink(missing_ok=True)


def whole_error(broken: Broken, model: str) -> str:
    answer = broken.chat(model, fresh())
    assert answer.status_code == 500, answer.text
    return str(answer.json()["error"]["message"])


def stream_error(broken: Broken, model: str) -> str:
    _, events = broken.stream(model)
    errors = [one["error"] for one in events if isinstance(one, dict) and "error" in one]
    assert len(errors) == 1, events
    finished = [
        choice["finish_reason"]
        for one in events
        if isinstance(one, dict)
        for choice in one.get("choices", ())
        if choice.get("finish_reason")
    ]
    assert not finished, "an answer that failed says that it ended well"
    return str(errors[0]["message"])


ASKED = {"whole": whole_error, "streamed": stream_error}


@pytest.mark.parametrize("how", ASKED)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("model", ["tiny", "tiny-vl"])
def test_what_was_raised_reaches_the_client(
    broken: Broken, model: str, place: str, how: str
) -> None:
    message = f"the {place} broke: {secrets.token_hex(8)}"
    broken.file.write_text(f"{place} {message}")
    assert message in ASKED[how](broken, model)
    broken.file.unlink()
    broken.unhurt(model)


@pytest.mark.parametrize("how", ASKED)
@pytest.mark.parametrize(
    ("place", "named"), [("wordless", "AssertionError"), ("detokenise", "RuntimeError")]
)
def test_an_exception_without_words_has_a_name(
    broken: Broken, place: str, named: str, how: str
) -> None:
    broken.file.write_text(f"{place} ")
    assert named in ASKED[how](broken, "tiny")


# It is there, and has no headers: what an image with half of a compiler looks like.
BROKEN_COMPILER = """\
#!/bin/sh
[ "$1" = --version ] && exit 0
echo "fatal error: cstdint: No such file or directory" >&2
exit 1
"""


@pytest.fixture(scope="module", params=["absent", "broken"])
def without_compiler(
    request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Broken]]:
    """Nothing is cached, and MLX's run-time compilation is on as soon as the fault says so."""
    folder = tmp_path_factory.mktemp("slim")
    for name in ("bin", "temporary"):
        (folder / name).mkdir()
    if request.param == "broken":
        compiler = folder / "bin" / "g++"
        compiler.write_text(BROKEN_COMPILER)
        compiler.chmod(0o755)
    bare = {"PATH": str(folder / "bin"), "TMPDIR": str(folder / "temporary")}
    made = Broken([models / "tiny"], folder / "home", folder / "fault", **bare)
    made.file.write_text("compile ")
    yield request.param, made
    made.close()


@pytest.mark.skipif(sys.platform != "linux", reason="MLX compiles nothing with g++ elsewhere")
@pytest.mark.parametrize("how", ASKED)
def test_without_a_compiler_it_answers_or_tells_the_true_reason(
    without_compiler: tuple[str, Broken], how: str
) -> None:
    """The empty answer of old: the kernel that can't be built is met in the middle of a request."""
    compiler, slim = without_compiler
    if compiler == "absent":
        # MLX notices and goes on without fused kernels.
        assert answered(slim.chat("tiny", fresh()))["choices"][0]["message"]["content"]
        return
    told = ASKED[how](slim, "tiny")
    assert "[Compile::eval_cpu] Failed to compile" in told
    assert "cstdint: No such file" in told


def test_a_model_that_cannot_even_warm_up_is_not_served(models: Path, tmp_path: Path) -> None:
    fault = tmp_path / "fault"
    fault.write_text("prefill these weights are cursed")
    made = subprocess.run(
        [*SERVE, "--data-dir", tmp_path / "data", "--model", models / "tiny"],
        env={**_environment(tmp_path), **faults(fault)},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert made.returncode == 4, made.stdout + made.stderr
    assert "these weights are cursed" in made.stdout


def _environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLXD_", "HF_"))}
    return {**kept, "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")}


OUT_OF_MEMORY = (
    "libc++abi: terminating due to uncaught exception of type std::runtime_error: [METAL] Command "
    "buffer execution failed: Insufficient Memory (kIOGPUCommandBufferCallbackErrorOutOfMemory)"
)


def test_an_engine_that_aborts_is_explained(models: Path, tmp_path: Path) -> None:
    """Nothing can be caught in the engine; what it said on its way out is recognised."""
    made = Broken([models / "tiny"], tmp_path / "home", tmp_path / "fault")
    try:
        assert made.engines()["tiny"]["explanation"] == ""
        made.file.write_text(f"abort {OUT_OF_MEMORY}")
        answer = made.chat("tiny", fresh())
        # Each engine that follows dies of it too, while it warms up.
        assert answer.status_code == 503
        assert "The GPU ran out of memory" in answer.json()["error"]["message"]
        made.file.unlink()
        made.http.post("/engines/tiny/start").raise_for_status()
        made.eventually(lambda: made.engines()["tiny"]["state"] == "ready")
        assert "GPU ran out of memory" in made.engines()["tiny"]["explanation"]
        assert answered(made.chat("tiny", fresh()))
    finally:
        made.close()


def test_with_nothing_broken_it_answers(broken: Broken) -> None:
    """Otherwise everything above could be the wrapper's own doing."""
    assert answered(broken.chat("tiny", fresh()))["choices"][0]["message"]["content"]
