"""Text models, from mlx-lm's model zoo.

Importing mlx-lm as a package also imports transformers, which takes longer than everything else
at start-up together. A checkpoint in MLX's own form needs only its model's module and a few lines
to fill it, so that is the usual way; anything else goes through the library's own loader.
"""

import importlib
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.nn.layers.quantized import quantize

from mlxd.machine import memory

from .. import kv, weights
from .base import (
    Backend,
    CannotLoad,
    Report,
    Sequence,
    context_length,
    read_config,
    read_weights,
)


def _zoo() -> Path:
    """Where mlx_lm's modules are, made importable without running the package's own imports."""
    spec = importlib.util.find_spec("mlx_lm")
    if spec is None or not spec.submodule_search_locations:
        raise CannotLoad("mlx-lm is not installed")
    places = list(spec.submodule_search_locations)
    if "mlx_lm" not in sys.modules:
        package = types.ModuleType("mlx_lm")
        package.__path__ = places
        package.__spec__ = spec
        sys.modules["mlx_lm"] = package
    return Path(places[0])


def supports(config: dict[str, Any]) -> bool:
    return (_zoo() / "models" / f"{config['model_type']}.py").exists()


def _plain(config: dict[str, Any]) -> bool:
    """Whether the weights are in MLX's own form, quantised or not."""
    quantization = config.get("quantization")
    foreign = config.get("quantization_config") and not quantization
    nested = (config.get("text_config") or {}).get("quantization_config")
    return supports(config) and not foreign and not (nested and not quantization)


def _load_plain(folder: Path, config: dict[str, Any]) -> Any:
    module = importlib.import_module(f"mlx_lm.models.{config['model_type']}")
    model = module.Model(module.ModelArgs.from_dict(config))
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise CannotLoad(f"{folder} has no model*.safetensors")
    arrays: dict[str, mx.array] = {}
    for file in files:
        loaded = mx.load(str(file))
        assert isinstance(loaded, dict)
        arrays.update(loaded)
    if hasattr(model, "sanitize"):
        arrays = model.sanitize(arrays)
    if quantization := config.get("quantization"):
        _quantize(model, quantization, arrays)
    model.eval()
    model.load_weights(list(arrays.items()), strict=True)
    return model


def _quantize(model: Any, quantization: dict[str, Any], arrays: dict[str, mx.array]) -> None:
    def how(path: str, module: Any) -> Any:
        if path in quantization:
            return quantization[path]
        if not hasattr(module, "to_quantized") or f"{path}.scales" not in arrays:
            return False
        scales, packed = arrays[f"{path}.scales"], arrays[f"{path}.weight"]
        if scales.dtype == mx.uint8:
            return True  # one of the modes that allow a single group size, named at the top
        inputs = module.weight.shape[-1]
        bits, group = packed.shape[-1] * 32 // inputs, inputs // scales.shape[-1]
        return {"group_size": group, "bits": bits, "mode": "affine"}

    quantize(
        model,
        group_size=quantization["group_size"],
        bits=quantization["bits"],
        mode=quantization.get("mode", "affine"),
        class_predicate=how,
    )


def _load_foreign(folder: Path) -> Any:
    sys.modules.pop("mlx_lm", None)  # the library's loader wants the whole package
    from mlx_lm.utils import load_model

    return load_model(folder, lazy=True)[0]


class TextBackend(Backend):
    def __init__(self, folder: Path, policy: weights.Policy, report: Report) -> None:
        self.config = read_config(folder)
        try:
            plain = _plain(self.config)
            self.model = _load_plain(folder, self.config) if plain else _load_foreign(folder)
        except (ValueError, KeyError, TypeError, RuntimeError, ImportError) as error:
            raise CannotLoad(f"{folder} can't be loaded by mlx-lm: {error}") from error
        self.prepared = weights.prepare(self.model, policy, memory())
        read_weights(self.model, report)
        text = self.config.get("text_config") or self.config
        self.context = context_length(self.config, folder)
        self.vocabulary = int(text.get("vocab_size") or self.config.get("vocab_size") or 0)

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
