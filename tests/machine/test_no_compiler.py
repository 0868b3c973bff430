"""A slim container: no compiler, nothing built before. Text must come all the same."""

import sys
from pathlib import Path

import pytest
from bench.models import SHAPES, write_model

from .conftest import Run

GENERATE = """
import sys
from mlxd.machine import memory, prepare_for_mlx
notes = prepare_for_mlx()
import mlx.core as mx
from mlx_lm import load, stream_generate
from mlxd.engine.weights import prepare
model, tokenizer = load({folder!r})
prepare(model, "auto", memory())
answer = list(stream_generate(model, tokenizer, "hello there", max_tokens=5))
print(len(answer), answer[-1].finish_reason)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="MLX compiles nothing with g++ elsewhere")
def test_text_is_generated_without_a_compiler(python: Run, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", SHAPES["tiny"], bits=4)
    out = python(GENERATE.format(folder=str(folder)), PATH="/nowhere")
    assert out.splitlines()[-1] in ("5 length", "1 stop", "2 stop", "3 stop", "4 stop")
    assert not list((tmp_path / "mlx").rglob("*.cpp")), "MLX tried to compile"
