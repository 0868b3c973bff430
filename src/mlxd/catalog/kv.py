"""What a token takes of an engine's memory, from config.json alone."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mlxd.machine.device import expects_accelerator

# Bytes of a number in keys and values: as the model computes, which a CPU does in float32.
WIDTHS = {"float32": 4, "F32": 4}
DEFAULT_WIDTH, CPU_WIDTH = 2, 4
# An engine's cache grows in steps of so many tokens.
STEP_TOKENS = 256
# Beyond these config.json is wrong: ten times what the largest models have.
MAX_LAYERS = 10_000
MAX_LAYER_BYTES = 10_000_000
SLIDING = ("sliding_attention", "sliding_window")
STATE = ("linear_attention", "recurrent", "mamba", "conv", "ssm")


class KeyValues(msgspec.Struct, frozen=True):
    """`growing` bytes for each token; `sliding` bytes too, but for no more than `window` tokens."""

    growing: int
    sliding: int = 0
    window: int = 0

    def size(self, tokens: int) -> int:
        steps = -(-tokens // STEP_TOKENS) * STEP_TOKENS
        return self.growing * steps + self.sliding * min(steps, self.window)


def text_part(config: dict[str, Any]) -> dict[str, Any]:
    for key in ("text_config", "llm_config", "language_config"):
        if isinstance(config.get(key), dict):
            return dict(config[key])
    return config


def key_values(config: dict[str, Any], width: int | None = None) -> KeyValues | None:
    """None where config.json does not say. `width`: bytes of one number, as on this machine."""
    inner = text_part(config)
    if width is None:
        width = _width(inner)
    try:
        layers = int(inner["num_hidden_layers"])
        each = _layer(inner) * width
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    if not 0 < layers <= MAX_LAYERS or not 0 < each <= MAX_LAYER_BYTES:
        return None
    kinds = _kinds(inner, layers)
    window = inner.get("sliding_window")
    window = window if isinstance(window, int) else 0
    sliding = sum(kind in SLIDING for kind in kinds) if window else 0
    state = sum(any(word in kind for word in STATE) for kind in kinds)
    return KeyValues(each * (layers - sliding - state), each * sliding, window)


def _width(inner: dict[str, Any]) -> int:
    if not expects_accelerator():
        return CPU_WIDTH
    return WIDTHS.get(str(inner.get("torch_dtype") or inner.get("dtype")), DEFAULT_WIDTH)


def _layer(inner: dict[str, Any]) -> int:
    """Numbers that one layer keeps of one token."""
    if rank := inner.get("kv_lora_rank"):
        return int(rank) + int(inner.get("qk_rope_head_dim") or 0)
    heads = int(inner["num_attention_heads"])
    width = inner.get("head_dim") or int(inner["hidden_size"]) // heads
    return 2 * int(inner.get("num_key_value_heads") or heads) * int(width)


def _kinds(inner: dict[str, Any], layers: int) -> Sequence[str]:
    """What each layer is, where the model has layers of several kinds."""
    kinds = inner.get("layer_types")
    if isinstance(kinds, list) and len(kinds) == layers:
        return [str(kind) for kind in kinds]
    every = inner.get("sliding_window_pattern")
    if isinstance(every, int) and every > 1:
        return ["full" if (i + 1) % every == 0 else SLIDING[0] for i in range(layers)]
    full = inner.get("full_attention_interval")
    if isinstance(full, int) and full > 1:
        return ["full" if (i + 1) % full == 0 else STATE[0] for i in range(layers)]
    return ["full"] * layers
