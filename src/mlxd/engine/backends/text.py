"""Text models, from mlx-lm's model zoo."""

import importlib
from pathlib import Path
from typing import Any

import mlx.core as mx

from .. import kv
from .base import (
    Backend,
    Sequence,
    fill,
    weight_files,
)
from .mended import mend
from .zoo import importable, place_of, whole


def supports(config: dict[str, Any]) -> bool:
    return (place_of("mlx_lm") / "models" / f"{config['model_type']}.py").exists()


def _plain(config: dict[str, Any]) -> bool:
    """Whether the weights are in MLX's own form, quantised or not."""
    quantization = config.get("quantization")
    foreign = config.get("quantization_config") and not quantization
    nested = (config.get("text_config") or {}).get("quantization_config")
    return supports(config) and not foreign and not (nested and not quantization)


def _load_plain(folder: Path, config: dict[str, Any]) -> Any:
    importable("mlx_lm")
    module = importlib.import_module(f"mlx_lm.models.{config['model_type']}")
    model = module.Model(module.ModelArgs.from_dict(config))
    arrays = weight_files(folder)
    if hasattr(model, "sanitize"):
        arrays = model.sanitize(arrays)
    fill(model, config, arrays)
    return model


def _load_foreign(folder: Path) -> Any:
    whole("mlx_lm")
    from mlx_lm.utils import load_model

    return load_model(folder, lazy=True)[0]


class TextBackend(Backend):
    library = "mlx-lm"

    def load(self, folder: Path) -> Any:
        plain = _plain(self.config)
        model = _load_plain(folder, self.config) if plain else _load_foreign(folder)
        mend(self.architecture)
        return model

    def make_cache(self) -> kv.Cache:
        from mlx_lm.models.cache import make_prompt_cache

        return list(make_prompt_cache(self.model))

    def begin(self, tokens: list[int], vision: Any, start: int) -> Sequence:
        return Sequence(tokens, {})

    def prefill(self, sequence: Sequence, start: int, end: int, cache: kv.Cache) -> None:
        self.model(mx.array(sequence.tokens[start:end])[None], cache=cache)

    def prefill_rows(self, tokens: mx.array, cache: kv.Cache, rope_delta: mx.array) -> None:
        self.model(tokens, cache=cache)

    def decode(self, tokens: mx.array, cache: kv.Cache, rope_delta: mx.array | None) -> mx.array:
        logits: mx.array = self.model(tokens[:, None], cache=cache)
        return logits[:, -1, :]
