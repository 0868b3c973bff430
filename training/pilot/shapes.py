"""Folders with random weights in other sizes, to see how quick a shape is before it is trained.

    python -m training.pilot.shapes /tmp/shapes 6x384x1024 8x384x1024     layers, hidden, feed-forward

Serve each with mlxd and ask `python -m training.pilot.speed`; only the speed means anything.
"""

import argparse
import json
import shutil
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten
from mlx_vlm.models.qwen3_vl import Model, ModelConfig

from .export import BITS, GROUP

SHIPPED = Path(__file__).parents[2] / "src/mlxd/pilot"


def make(shape: str, target: Path, bits: int) -> int:
    layers, hidden, feed_forward = map(int, shape.split("x"))
    settings = json.loads((SHIPPED / "config.json").read_text())
    text = settings["text_config"]
    text |= {"num_hidden_layers": layers, "hidden_size": hidden, "intermediate_size": feed_forward}
    text["num_attention_heads"] = hidden // text["head_dim"]
    settings["vision_config"]["out_hidden_size"] = hidden
    settings["quantization"] = {"group_size": GROUP, "bits": bits, "mode": "affine"}
    target.mkdir(parents=True, exist_ok=True)
    for file in SHIPPED.iterdir():
        if file.suffix in (".json", ".jinja"):
            shutil.copy(file, target)
    (target / "config.json").write_text(json.dumps(settings, indent=2))
    mx.random.seed(1)
    model = Model(ModelConfig.from_dict(json.loads(json.dumps(settings))))
    model.set_dtype(mx.bfloat16)
    nn.quantize(model.language_model, GROUP, bits)
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(target / "model.safetensors"), weights, {"format": "mlx"})
    return (target / "model.safetensors").stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("shapes", nargs="+")
    parser.add_argument("--bits", type=int, default=BITS)
    a = parser.parse_args()
    for shape in a.shapes:
        size = make(shape, a.folder / shape, a.bits)
        print(f"{a.folder / shape}: {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
