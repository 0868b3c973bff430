"""Random-weight models of a real shape: right in every file, meaningless in what they say.

    python -m bench.models DIR --shape text-42m [--bits 4] [--dtype bfloat16]

For benchmarks, where only the shape counts, and for tests of what any checkpoint must survive.
"""

import argparse
import json
import string
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_map

END = "<|im_end|>"
SPECIALS = [
    "<|endoftext|>", "<|im_start|>", END, "<|vision_start|>", "<|vision_end|>",
    "<|image_pad|>", "<|video_pad|>",
]  # fmt: skip
MARKERS = ["<tool_call>", "</tool_call>", "<think>", "</think>"]

CHAT_TEMPLATE = """\
{%- macro show(content) -%}
{%- if content is string -%}{{ content }}
{%- elif content -%}{%- for part in content -%}
{%- if part.type == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>
{%- else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}{%- endif -%}
{%- endmacro -%}
{%- if tools -%}
<|im_start|>system
Functions you can call:
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}
Call one with <tool_call>{"name": ..., "arguments": {...}}</tool_call><|im_end|>
{% endif -%}
{%- for message in messages -%}
<|im_start|>{{ 'user' if message.role == 'tool' else message.role }}
{{ show(message.content) }}
{%- for tool_call in message.tool_calls or [] %}
<tool_call>
{"name": "{{ tool_call.function.name }}", "arguments": {{ tool_call.function.arguments | tojson }}}
</tool_call>
{%- endfor -%}
<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}
"""


@dataclass(frozen=True)
class Shape:
    hidden: int
    layers: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    vision: bool = False
    context: int = 40960
    # Of a layer; four of them for a token. `feed_forward` is then one expert's.
    experts: int = 0


SHAPES = {
    "tiny": Shape(64, 2, 128, 4, 2, 16, 2048),
    "tiny-vl": Shape(64, 2, 128, 4, 2, 16, 2048, vision=True),
    "text-42m": Shape(512, 8, 1536, 8, 4, 64, 32000),
    "experts": Shape(512, 8, 384, 8, 4, 64, 32000, experts=32),
    "qwen3-0.6b": Shape(1024, 28, 3072, 16, 8, 128, 151936),
}


def _pieces(count: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A byte-level BPE vocabulary of exactly `count` entries: bytes, letter pairs, triples."""
    from tokenizers import pre_tokenizers

    vocabulary = {char: i for i, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges: list[tuple[str, str]] = []
    letters = "Ġ" + string.ascii_lowercase + string.ascii_uppercase
    pairs = [a + b for a, b in product(letters, string.ascii_lowercase)]
    triples = [(p, c) for p, c in product(pairs, string.ascii_lowercase)]
    quads = [(p + c, d) for p, c in triples for d in "aeiourstln"]
    for left, right in [*((p[0], p[1]) for p in pairs), *triples, *quads]:
        if len(vocabulary) == count:
            break
        vocabulary[left + right] = len(vocabulary)
        merges.append((left, right))
    return vocabulary, merges


def write_tokenizer(folder: Path, count: int) -> dict[str, int]:
    """Write tokenizer files with `count` ids in all; returns the ids of the special tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    vocabulary, merges = _pieces(count - len(SPECIALS) - len(MARKERS))
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIALS])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in MARKERS])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "Qwen2TokenizerFast",
        "eos_token": END,
        "pad_token": "<|endoftext|>",
        "model_max_length": 40960,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1))
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    return {t: tokenizer.token_to_id(t) for t in SPECIALS}


def _text_config(shape: Shape, end_id: int) -> dict[str, Any]:
    experts = {
        "num_experts": shape.experts,
        "num_experts_per_tok": 4,
        "moe_intermediate_size": shape.feed_forward,
        "norm_topk_prob": True,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    }
    return {
        **(experts if shape.experts else {}),
        "model_type": "qwen3_moe" if shape.experts else "qwen3",
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "intermediate_size": shape.feed_forward,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "rms_norm_eps": 1e-6,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.context,
        "rope_theta": 1e6,
        "tie_word_embeddings": True,
        "eos_token_id": end_id,
    }


def _config(shape: Shape, ids: dict[str, int]) -> dict[str, Any]:
    text = _text_config(shape, ids[END])
    if not shape.vision:
        kind = "Qwen3MoeForCausalLM" if shape.experts else "Qwen3ForCausalLM"
        return {"architectures": [kind], **text}
    half = shape.head_dim // 2
    rope = {"rope_type": "default", "mrope_section": [half - 2 * (half // 3), half // 3, half // 3]}
    text |= {"model_type": "qwen3_vl_text", "rope_scaling": rope | {"mrope_interleaved": True}}
    vision = {
        "model_type": "qwen3_vl",
        "depth": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_heads": 4,
        "patch_size": 8,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "in_channels": 3,
        "num_position_embeddings": 256,
        "out_hidden_size": shape.hidden,
        "deepstack_visual_indexes": [0],
    }
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "text_config": text,
        "vision_config": vision,
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "tie_word_embeddings": True,
        "eos_token_id": ids[END],
    }


def _write_processor(folder: Path) -> None:
    processor = {
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "processor_class": "Qwen3VLProcessor",
        "patch_size": 8,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "size": {"shortest_edge": 1024, "longest_edge": 262144},
        "min_pixels": 1024,
        "max_pixels": 262144,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=1))


def _build(config: dict[str, Any], vision: bool) -> nn.Module:
    if vision:
        from mlx_vlm.models import qwen3_vl
        from mlx_vlm.utils import update_module_configs

        settings = qwen3_vl.ModelConfig.from_dict(json.loads(json.dumps(config)))
        modules = ["text", "vision"]
        return qwen3_vl.Model(update_module_configs(settings, qwen3_vl, config, modules))
    from mlx_lm.models import qwen3, qwen3_moe

    zoo = qwen3_moe if config["model_type"] == "qwen3_moe" else qwen3
    return zoo.Model(zoo.ModelArgs.from_dict(config))


def write_model(
    folder: Path, shape: Shape, *, bits: int | None = None, dtype: str = "bfloat16", seed: int = 0
) -> Path:
    """Write a whole checkpoint folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = _config(shape, write_tokenizer(folder, shape.vocabulary))
    mx.random.seed(seed)
    model = _build(config, shape.vision)
    model.update(tree_map(lambda a: a.astype(getattr(mx, dtype)), model.parameters()))
    if bits:
        nn.quantize(model, group_size=64, bits=bits)
        config["quantization"] = {"group_size": 64, "bits": bits}
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    if shape.vision:
        _write_processor(folder)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a random-weight model of a real shape.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", choices=SHAPES, default="tiny")
    parser.add_argument("--bits", type=int, choices=(2, 3, 4, 5, 6, 8))
    parser.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float16", "float32"))
    args = parser.parse_args()
    folder = write_model(args.folder, SHAPES[args.shape], bits=args.bits, dtype=args.dtype)
    size = (folder / "model.safetensors").stat().st_size
    print(f"{folder}: {args.shape}, {size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
