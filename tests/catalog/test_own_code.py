"""A checkpoint that brings Python: nothing of it is run, by whatever name it is mentioned. Real
engines; the code would leave a file behind."""

import base64
import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from bench.models import SHAPES, write_model
from PIL import Image
from tests.judges.service import Service, answered

from mlxd.catalog import BrokenModel, inspect

MODULES = ("modeling_own", "configuration_own", "tokenization_own", "processing_own")
CLASSES = {
    "AutoConfig": "configuration_own.Own",
    "AutoModel": "modeling_own.Own",
    "AutoModelForCausalLM": "modeling_own.Own",
    "AutoModelForImageTextToText": "modeling_own.Own",
    "AutoTokenizer": ["tokenization_own.Own", "tokenization_own.Own"],
    "AutoProcessor": "processing_own.Own",
    "AutoImageProcessor": "processing_own.Own",
}


def infect(folder: Path, mark: Path) -> Path:
    for module in (*MODULES, "__init__", "sitecustomize"):
        (folder / f"{module}.py").write_text(f"open({str(mark)!r}, 'a').write({module!r})\n")
    for name in ("config.json", "tokenizer_config.json", "preprocessor_config.json"):
        file = folder / name
        held = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps({**held, "auto_map": CLASSES, "trust_remote_code": True}))
    return folder


def picture() -> str:
    content = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def test_python_of_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "it was run"
    text = infect(write_model(tmp_path / "own-text", SHAPES["tiny"]), mark)
    seeing = write_model(tmp_path / "own-vl", replace(SHAPES["tiny-vl"], context=1024))
    infect(seeing, mark)
    service = Service([text, seeing], tmp_path / "home")
    try:
        said = [{"role": "user", "content": "hello"}]
        answered(service.chat("own-text", said))
        parts = [
            {"type": "image_url", "image_url": {"url": picture()}},
            {"type": "text", "text": "what is it?"},
        ]
        answered(service.chat("own-vl", [{"role": "user", "content": parts}]))
    finally:
        service.close()
    assert not mark.exists(), mark.read_text()


def test_it_would_have_been_seen(tmp_path: Path) -> None:
    """Otherwise the above could not fail."""
    import subprocess

    mark = tmp_path / "it was run"
    folder = infect(write_model(tmp_path / "own-text", SHAPES["tiny"]), mark)
    subprocess.run([sys.executable, folder / "modeling_own.py"], check=True)
    assert mark.read_text() == "modeling_own"


def test_a_model_that_cannot_do_without_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "own", SHAPES["tiny"])
    config = json.loads((folder / "config.json").read_text())
    for key, value in (("model_file", "modeling_own.py"), ("model_type", "own")):
        (folder / "config.json").write_text(json.dumps({**config, key: value}))
        with pytest.raises(BrokenModel, match=r"its own Python|no engine knows"):
            inspect(folder)
