"""Weights come home in parts, whole or not at all, and small enough to travel back."""

import json
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from training.pilot import remote

WIDE, HIGH = 4096, 2048


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that has saved itself once: more than one part, and a norm beside the matrix."""
    folder = tmp_path / "run"
    folder.mkdir()
    mx.random.seed(3)
    weights = {
        "layers.0.weight": mx.random.normal((HIGH, WIDE)).astype(mx.bfloat16),
        "layers.0.norm.weight": mx.ones(WIDE).astype(mx.bfloat16),
    }
    told = {"step": "1234", "progress": "0.41000"}
    mx.save_safetensors(str(folder / "weights.safetensors"), weights, told)
    (folder / "log").write_text("step 1234\n")
    return folder


def test_parts_come_together_again(run: Path, tmp_path: Path) -> None:
    out, home = tmp_path / "out", tmp_path / "home"
    remote.hand_over(run, out)
    assert len(list(out.iterdir())) <= 8
    assert all(f.stat().st_size <= 16 << 20 for f in out.iterdir())
    assert len(json.loads((out / "weights.json").read_text())["parts"]) > 1
    remote.fetch(out, home)
    assert (home / "weights.safetensors").read_bytes() == (run / "weights.safetensors").read_bytes()
    assert (home / "log.txt").read_text() == "step 1234\n"


def test_a_part_of_an_older_set_is_noticed(run: Path, tmp_path: Path) -> None:
    out, home = tmp_path / "out", tmp_path / "home"
    remote.hand_over(run, out)
    part = bytearray((out / "weights.1").read_bytes())
    part[100] ^= 1
    (out / "weights.1").write_bytes(part)
    with pytest.raises(SystemExit, match=r"weights\.1"):
        remote.fetch(out, home)
    assert not (home / "weights.safetensors").exists()


def test_what_travels_back_is_half_as_large_and_close(run: Path, tmp_path: Path) -> None:
    out, home = tmp_path / "out", tmp_path / "home"
    remote.hand_over(run, out)
    remote.fetch(out, home)
    start = home / "start.safetensors"
    assert start.stat().st_size < 0.52 * (run / "weights.safetensors").stat().st_size
    small, told = mx.load(str(start), return_metadata=True)  # type: ignore[misc]
    assert told["step"] == "1234"
    assert told["progress"] == "0.41000"
    made = np.array(small["layers.0.weight"].astype(mx.float32))
    made = made * np.array(small["layers.0.weight/scale"])
    whole = mx.load(str(run / "weights.safetensors"))["layers.0.weight"]  # type: ignore[index]
    wanted = np.array(whole.astype(mx.float32))
    assert np.linalg.norm(made - wanted) < 0.01 * np.linalg.norm(wanted)
    assert small["layers.0.norm.weight"].dtype == mx.bfloat16


def test_a_machine_without_fonts_or_a_time_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, fonts = tmp_path / "run", tmp_path / "fonts"
    assert remote.work(run, None, fonts, 5, 5, []) == 3
    assert "fonts" in capsys.readouterr().out
    (fonts / "held").mkdir(parents=True)
    assert remote.work(run, None, fonts, 0, 5, []) == 3
    assert "--minutes" in capsys.readouterr().out
    assert not run.exists()


def test_a_training_that_cannot_start_is_given_up_and_its_words_come_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, fonts, out = tmp_path / "run", tmp_path / "fonts", tmp_path / "out"
    (fonts / "held").mkdir(parents=True)
    assert remote.work(run, out, fonts, 5, 120, ["--device", "no such device"]) == 1
    assert "GAVE UP" in capsys.readouterr().out
    log = (out / "log.txt").read_text()
    assert log.count("keeper: start") == 6
    assert "Error" in log
