"""All that a model's files say of it, without loading it: `mlxd models inspect`. What chat template
and tokenizer do is asked elsewhere, for that takes their libraries."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from .folder import BrokenModel, inspect, read_config, read_json, templates
from .headers import Weights, summed, tensors
from .kv import KeyValues, key_values, text_part

# Python, MLX and its libraries, before any weight.
PROCESS_BYTES = 300_000_000
# For which memory is told, as far as the model goes.
CONTEXTS = (2048, 8192, 32768, 131072)
TOWERS = ("vision_tower", "vision_model", "visual", "vision_encoder", "vit", "image_encoder")


class Quantisation(msgspec.Struct, frozen=True):
    """As config.json says. `bits_per_weight` counts scales, and what was left unquantised."""

    bits: int | None
    group_size: int | None
    mode: str
    bits_per_weight: float


class About(msgspec.Struct, frozen=True, kw_only=True):
    """None or empty: the files don't say. `memory` is bytes by tokens of context, with weights and
    process; `token_bytes` what one more token takes."""

    path: str
    usable: bool
    reasons: list[str] = []
    architecture: str | None = None
    classes: list[str] = []
    capabilities: list[str] = []
    parameters: int | None = None
    size_bytes: int | None = None
    dtypes: dict[str, int] = {}
    quantisation: Quantisation | None = None
    context: int | None = None
    vocabulary: int | None = None
    layers: int | None = None
    vision_tower: bool = False
    vision_parameters: int | None = None
    token_bytes: int | None = None
    memory: dict[str, int] = {}


def about(path: Path) -> About:
    """Never raises for what is wrong with the folder: that is in `reasons`."""
    try:
        config = read_config(path)
    except BrokenModel as error:
        return About(path=str(path), usable=False, reasons=error.reasons)
    reasons: list[str] = []
    capabilities: list[str] = []
    context = _number(text_part(config).get("max_position_embeddings"))
    try:
        entry = inspect(path)
        capabilities, context = entry.capabilities, entry.context
    except BrokenModel as error:
        reasons = error.reasons
    weights, tower = _weights(path, config)
    kv = key_values(config) if "embedding" not in capabilities else KeyValues(0)
    return About(
        path=str(path),
        usable=not reasons,
        reasons=reasons,
        architecture=str(config["model_type"]) if config.get("model_type") else None,
        classes=[str(one) for one in config.get("architectures") or () if isinstance(one, str)],
        capabilities=capabilities,
        parameters=weights.parameters if weights else None,
        size_bytes=weights.size if weights else None,
        dtypes=weights.dtypes if weights else {},
        quantisation=_quantisation(config, weights),
        context=context,
        vocabulary=_number(text_part(config).get("vocab_size") or config.get("vocab_size")),
        layers=_number(text_part(config).get("num_hidden_layers")),
        vision_tower=isinstance(config.get("vision_config"), dict) or bool(tower),
        vision_parameters=tower or None,
        token_bytes=kv.growing + kv.sliding if kv else None,
        memory=_memory(weights, kv, context),
    )


def has_template(path: Path) -> bool:
    return bool(templates(path, read_json(path / "tokenizer_config.json")).strip())


def _weights(path: Path, config: dict[str, Any]) -> tuple[Weights | None, int]:
    """All of them, and how many of the parameters are the vision tower's."""
    index = read_json(path / "model.safetensors.index.json").get("weight_map")
    names = {str(one) for one in index.values()} if isinstance(index, dict) else None
    files = sorted(
        file for file in path.glob("*.safetensors") if names is None or file.name in names
    )
    quantization = config.get("quantization") or config.get("quantization_config") or {}
    try:
        weights = summed(files, quantization if isinstance(quantization, dict) else {})
        tower = sum(
            one.count
            for file in files
            for one in tensors(file)
            if set(TOWERS) & set(one.name.split("."))
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None, 0
    return (weights if files else None), tower


def _quantisation(config: dict[str, Any], weights: Weights | None) -> Quantisation | None:
    told = config.get("quantization") or config.get("quantization_config")
    if not isinstance(told, dict) or weights is None:
        return None
    mode = str(told.get("mode") or told.get("quant_method") or "affine")
    return Quantisation(
        _number(told.get("bits")), _number(told.get("group_size")), mode, weights.bits
    )


def _memory(weights: Weights | None, kv: KeyValues | None, context: int | None) -> dict[str, int]:
    if weights is None or kv is None:
        return {}
    return {
        str(tokens): PROCESS_BYTES + weights.size + kv.size(tokens) for tokens in _contexts(context)
    }


def _contexts(context: int | None) -> Sequence[int]:
    if context is None:
        return CONTEXTS
    return sorted({*(one for one in CONTEXTS if one < context), context})


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
