"""Tiny checkpoints with random weights, of many architectures."""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from bench.models import END, write_tokenizer
from mlx.utils import tree_flatten, tree_map

VOCABULARY = 2048
FULL, WINDOW = "full_attention", "sliding_attention"
USUAL: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 4, "intermediate_size": 128, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "rms_norm_eps": 1e-6, "vocab_size": VOCABULARY,
    "max_position_embeddings": 4096, "rope_theta": 10000.0, "tie_word_embeddings": False,
}  # fmt: skip
EXPERTS: dict[str, Any] = {
    "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64,
    "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": [],
}  # fmt: skip
# Shorter than the prompts that they are tried with, so that what is behind it is really gone.
SHORT_WINDOW = {"sliding_window": 16}

TEXT: dict[str, dict[str, Any]] = {
    "llama": {"layer_types": [WINDOW, FULL, WINDOW, FULL], **SHORT_WINDOW},
    "mistral": {},
    "qwen2": {},
    "qwen3_moe": EXPERTS,
    "gemma2": {},
    "gemma3_text": {"sliding_window_pattern": 3, "query_pre_attn_scalar": 16, **SHORT_WINDOW},
    "phi3": {},
    "gpt_oss": {
        "num_local_experts": 4, "num_experts_per_tok": 2, "layer_types": [WINDOW, FULL] * 2,
        **SHORT_WINDOW,
    },
    "deepseek_v3": {
        "n_shared_experts": 1, "n_routed_experts": 4, "num_experts_per_tok": 2,
        "moe_intermediate_size": 64, "first_k_dense_replace": 1, "kv_lora_rank": 32,
        "q_lora_rank": 32, "qk_rope_head_dim": 16, "v_head_dim": 16, "qk_nope_head_dim": 16,
        "num_key_value_heads": 4,
    },
    "mamba2": {
        "num_heads": 8, "state_size": 8, "conv_kernel": 4, "n_groups": 2, "use_bias": False,
        "use_conv_bias": True, "layer_norm_epsilon": 1e-5, "time_step_limit": [0.0, 100.0],
        "time_step_rank": "auto",
    },
    "qwen3_next": {
        **EXPERTS, "linear_num_value_heads": 4, "linear_num_key_heads": 2,
        "linear_key_head_dim": 32, "linear_value_head_dim": 32, "linear_conv_kernel_dim": 4,
        "shared_expert_intermediate_size": 64, "partial_rotary_factor": 0.5,
        "full_attention_interval": 2,
    },
    "lfm2": {
        "norm_eps": 1e-5, "conv_bias": False, "conv_L_cache": 3, "block_dim": 64,
        "block_ff_dim": 128, "block_multiple_of": 16, "block_ffn_dim_multiplier": 1.0,
        "block_auto_adjust_ff_dim": False, "full_attn_idxs": [1, 3],
    },
    "llama4": {"text_config": {
        **USUAL, "model_type": "llama4_text", "intermediate_size_mlp": 128,
        "attention_bias": False, "attention_chunk_size": 16, "interleave_moe_layer_step": 1,
        "num_experts_per_tok": 1, "num_local_experts": 4, "use_qk_norm": True,
        "no_rope_layers": [1, 1, 1, 0], "attn_scale": 0.1, "attn_temperature_tuning": True,
        "floor_scale": 8192, "mlp_bias": False, "rope_scaling": None,
    }},
}  # fmt: skip


def _save(folder: Path, model: nn.Module, config: dict[str, Any], bits: int | None) -> None:
    half = tree_map(
        lambda a: a.astype(mx.bfloat16) if mx.issubdtype(a.dtype, mx.floating) else a,
        model.parameters(),
    )
    model.update(half)
    if bits:

        def fits(path: str, module: nn.Module) -> bool:
            known = hasattr(module, "to_quantized") and "vision" not in path
            return known and module.weight.shape[-1] % 32 == 0

        nn.quantize(model, group_size=32, bits=bits, class_predicate=fits)
        config["quantization"] = {"group_size": 32, "bits": bits}
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config))


def text_checkpoint(folder: Path, kind: str, bits: int | None = None) -> Path:
    from mlx_lm.utils import _get_classes

    folder.mkdir(parents=True)
    config = {**USUAL, "model_type": kind, **TEXT[kind]}
    write_tokenizer(folder, VOCABULARY)
    model_class, arguments = _get_classes(config)
    mx.random.seed(0)
    model = model_class(arguments.from_dict(json.loads(json.dumps(config))))
    _save(folder, model, config, bits)
    return folder


SEEING: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64, "num_attention_heads": 2,
    "image_size": 32, "patch_size": 8, "num_channels": 3,
}  # fmt: skip
PIXELS: dict[str, Any] = {
    "do_resize": True, "do_normalize": True, "do_rescale": True, "do_convert_rgb": True,
    "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
}  # fmt: skip
PLACE = "<|image_pad|>"
_SPLITTING = {"size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 32},
              "do_image_splitting": True, "do_pad": True}  # fmt: skip


def _language(kind: str, **more: Any) -> dict[str, Any]:
    return {**USUAL, "num_hidden_layers": 2, "model_type": kind, **more}


# For each: its configuration, its image processor's, its processor's, and what its template
# writes for a picture.
VISION: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = {
    "gemma3": (
        {
            "text_config": _language(
                "gemma3_text", sliding_window_pattern=2, query_pre_attn_scalar=16,
                mm_tokens_per_image=4, **SHORT_WINDOW,
            ),
            "vision_config": {**SEEING, "model_type": "siglip_vision_model"},
            "mm_tokens_per_image": 4, "hidden_size": 64,
        },
        {
            **PIXELS, "image_processor_type": "Gemma3ImageProcessor",
            "size": {"height": 32, "width": 32},
        },
        {"processor_class": "Gemma3Processor", "image_seq_length": 4},
        "<|vision_start|>",
    ),
    "smolvlm": (
        {
            "text_config": _language("llama"),
            "vision_config": {**SEEING, "model_type": "siglip_vision_model"}, "scale_factor": 2,
        },
        {**PIXELS, "image_processor_type": "SmolVLMImageProcessor", **_SPLITTING},
        {"processor_class": "SmolVLMProcessor", "image_seq_len": 4},
        PLACE,
    ),
    "mistral3": (
        {
            "text_config": _language("mistral"),
            "vision_config": {**SEEING, "model_type": "pixtral", "image_size": 64,
                              "head_dim": 16, "rope_theta": 10000.0},
            "spatial_merge_size": 2,
        },
        {
            **PIXELS, "image_processor_type": "PixtralImageProcessor", "patch_size": 16,
            "size": {"longest_edge": 64},
        },
        {
            "processor_class": "PixtralProcessor", "patch_size": 8, "spatial_merge_size": 2,
            "image_token": PLACE, "image_break_token": "<|vision_start|>",
            "image_end_token": "<|vision_end|>",
        },
        PLACE,
    ),
    "qwen2_5_vl": (
        {
            **_language("qwen2_5_vl"),
            "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
            "text_config": _language(
                "qwen2_5_vl_text", rope_scaling={"type": "mrope", "mrope_section": [2, 3, 3]}
            ),
            "vision_config": {
                "model_type": "qwen2_5_vl", "depth": 2, "hidden_size": 32, "num_heads": 2,
                "intermediate_size": 64, "out_hidden_size": 64, "patch_size": 8,
                "spatial_patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 2,
                "in_channels": 3, "window_size": 32, "fullatt_block_indexes": [1],
            },
        },
        {
            **PIXELS, "image_processor_type": "Qwen2VLImageProcessor", "patch_size": 8,
            "temporal_patch_size": 2, "merge_size": 2, "min_pixels": 1024, "max_pixels": 262144,
        },
        {"processor_class": "Qwen2_5_VLProcessor"},
        f"<|vision_start|>{PLACE}<|vision_end|>",
    ),
    "glm4v": (
        {
            "text_config": _language(
                "glm4v_text", partial_rotary_factor=1.0, attention_bias=True,
                rope_scaling={"rope_type": "default", "mrope_section": [2, 3, 3]},
            ),
            "vision_config": {
                "model_type": "glm4v", "depth": 2, "hidden_size": 32, "num_heads": 2,
                "intermediate_size": 64, "out_hidden_size": 64, "patch_size": 8, "image_size": 32,
                "spatial_merge_size": 2, "temporal_patch_size": 2, "in_channels": 3,
            },
        },
        {**PIXELS, "image_processor_type": "Glm4vImageProcessor", "patch_size": 8},
        {"processor_class": "Glm4vProcessor"},
        f"<|vision_start|>{PLACE}<|vision_end|>",
    ),
    "llava_next": (
        {
            "text_config": _language("llama"),
            "vision_config": {**SEEING, "model_type": "clip_vision_model"},
            "image_grid_pinpoints": [[32, 64], [64, 32], [64, 64]],
        },
        {**PIXELS, "image_processor_type": "LlavaNextImageProcessor"},
        {"processor_class": "LlavaNextProcessor"},
        PLACE,
    ),
}  # fmt: skip
# How the tokenizers of these families call their control tokens.
NAMED = {
    "gemma3": {"image_token": PLACE, "boi_token": "<|vision_start|>",
               "eoi_token": "<|vision_end|>"},
    "smolvlm": {"image_token": PLACE, "fake_image_token": "<|vision_start|>",
                "global_image_token": "<|video_pad|>", "end_of_utterance_token": END},
}  # fmt: skip


def vision_checkpoint(folder: Path, kind: str) -> Path:
    from mlx_vlm.utils import get_model_and_args, update_module_configs

    folder.mkdir(parents=True)
    ids = write_tokenizer(folder, VOCABULARY)
    above, images, processor, place = VISION[kind]
    config = {
        "model_type": kind, "vocab_size": VOCABULARY, "eos_token_id": ids[END],
        "image_token_index": ids[PLACE], "image_token_id": ids[PLACE],
        "video_token_id": ids["<|video_pad|>"], "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"], **above,
    }  # fmt: skip
    template = folder / "chat_template.jinja"
    written = template.read_text().replace(f"<|vision_start|>{PLACE}<|vision_end|>", place)
    template.write_text(written)
    settings = folder / "tokenizer_config.json"
    named = NAMED.get(kind, {})
    known = json.loads(settings.read_text())
    settings.write_text(json.dumps({**known, **named, "extra_special_tokens": named}))
    module, _ = get_model_and_args(json.loads(json.dumps(config)))
    plain = json.loads(json.dumps(config))
    made = module.ModelConfig.from_dict(plain)
    made = update_module_configs(
        made, module, plain, ["text", "vision", "perceiver", "projector", "audio"]
    )
    mx.random.seed(0)
    _save(folder, module.Model(made), config, None)
    images = {**images, "processor_class": processor["processor_class"]}
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    (folder / "processor_config.json").write_text(json.dumps(processor))
    return folder
