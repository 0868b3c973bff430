"""Turn trained weights into the folder that ships: a Qwen3-VL checkpoint in MLX's own layout.

    python -m training.pilot.export runs/pilot/weights.safetensors src/mlxd/pilot

The language model is quantised to 8 bits in groups of 64, so that the folder stays small; the
vision tower stays in bfloat16. Needs the project's environment (mlx-vlm), not PyTorch.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten
from mlx_vlm.models.qwen3_vl import Model, ModelConfig, VisionModel

from . import chat
from .tokenizer import Tokenizer

GROUP, BITS = 64, 8
CONTEXT = 8192
MIN_PIXELS, MAX_PIXELS = 32 * 32, 1024 * 512


def config(tokenizer: Tokenizer, weights: dict[str, mx.array]) -> dict[str, Any]:
    """What the weights say of themselves, and the few numbers that they do not say."""
    embed = weights["model.language_model.embed_tokens.weight"]
    first = "model.language_model.layers.0."
    patch = weights["model.visual.patch_embed.proj.weight"]
    head = weights[first + "self_attn.q_norm.weight"].shape[0]
    named = tokenizer.ids

    def count(part: str) -> int:
        return 1 + max(int(k.split(part)[1].split(".")[0]) for k in weights if part in k)

    text = {
        "model_type": "qwen3_vl_text",
        "vocab_size": embed.shape[0],
        "hidden_size": embed.shape[1],
        "num_hidden_layers": count("language_model.layers."),
        "intermediate_size": weights[first + "mlp.gate_proj.weight"].shape[0],
        "num_attention_heads": weights[first + "self_attn.q_proj.weight"].shape[0] // head,
        "num_key_value_heads": weights[first + "self_attn.k_proj.weight"].shape[0] // head,
        "head_dim": head,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10_000.0,
        "attention_bias": False,
        "rope_scaling": {
            "rope_type": "default",
            "mrope_section": [12, 10, 10],
            "mrope_interleaved": True,
        },
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True,
        "hidden_act": "silu",
        "bos_token_id": None,
        "eos_token_id": tokenizer.end,
        "dtype": "bfloat16",
    }
    vision = {
        "model_type": "qwen3_vl",
        "depth": count("visual.blocks."),
        "hidden_size": patch.shape[0],
        "intermediate_size": weights["model.visual.blocks.0.mlp.linear_fc1.weight"].shape[0],
        "num_heads": 3,
        "patch_size": patch.shape[-1],
        "temporal_patch_size": 2,
        "spatial_merge_size": 2,
        "in_channels": 3,
        "out_hidden_size": embed.shape[1],
        "hidden_act": "gelu_pytorch_tanh",
        "num_position_embeddings": weights["model.visual.pos_embed.weight"].shape[0],
        "deepstack_visual_indexes": [1, 3],
    }
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "dtype": "bfloat16",
        "text_config": text,
        "vision_config": vision,
        "tie_word_embeddings": True,
        "vocab_size": embed.shape[0],
        "image_token_id": named["<|image_pad|>"],
        "video_token_id": named["<|video_pad|>"],
        "vision_start_token_id": named["<|vision_start|>"],
        "vision_end_token_id": named["<|vision_end|>"],
        "eos_token_id": [tokenizer.end, named["<|endoftext|>"]],
        "quantization": {"group_size": GROUP, "bits": BITS, "mode": "affine"},
    }


def convert(weights: dict[str, mx.array], settings: dict[str, Any]) -> dict[str, mx.array]:
    model = Model(ModelConfig.from_dict(json.loads(json.dumps(settings))))
    named = VisionModel.sanitize(model.vision_tower, model.sanitize(weights))
    model.load_weights(list(named.items()))
    nn.quantize(model.language_model, GROUP, BITS)
    return dict(tree_flatten(model.parameters()))


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def export(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.load()
    weights: dict[str, mx.array] = mx.load(str(source))
    settings = config(tokenizer, weights)
    mx.save_safetensors(
        str(target / "model.safetensors"), convert(weights, settings), {"format": "mlx"}
    )
    _write(target / "config.json", settings)
    (target / "tokenizer.json").write_text(
        json.dumps(tokenizer.exported(), ensure_ascii=False), encoding="utf-8"
    )
    _write(
        target / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": CONTEXT,
            "bos_token": None,
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "unk_token": None,
            "add_prefix_space": False,
            "add_bos_token": False,
            "clean_up_tokenization_spaces": False,
            "split_special_tokens": False,
            "extra_special_tokens": {
                "image_token": "<|image_pad|>",
                "video_token": "<|video_pad|>",
                "vision_start_token": "<|vision_start|>",
                "vision_end_token": "<|vision_end|>",
            },
        },
    )
    picture = {
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "patch_size": settings["vision_config"]["patch_size"],
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "do_convert_rgb": True,
        "do_resize": True,
        "min_pixels": MIN_PIXELS,
        "max_pixels": MAX_PIXELS,
        "size": {"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS},
        "processor_class": "Qwen3VLProcessor",
    }
    _write(target / "preprocessor_config.json", picture)
    _write(target / "processor_config.json", {"processor_class": "Qwen3VLProcessor"})
    _write(
        target / "generation_config.json",
        {
            "eos_token_id": settings["eos_token_id"],
            "pad_token_id": tokenizer.ids["<|endoftext|>"],
            "do_sample": False,
            "temperature": 0.0,
        },
    )
    shutil.copy(chat.TEMPLATE, target / "chat_template.jinja")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    export(arguments.source, arguments.target)
    size = sum(f.stat().st_size for f in arguments.target.iterdir())
    print(f"{arguments.target}: {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
