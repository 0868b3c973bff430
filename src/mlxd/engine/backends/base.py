"""What the step thread needs of a model, whichever library it comes from."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.nn.layers.quantized import quantize
from mlx.utils import tree_flatten

from mlxd.machine import memory

from .. import kv
from ..weights import Policy, Prepared, prepare

# Weights are read from disk in portions of this size, so that loading shows progress.
LOAD_PORTION_BYTES = 128 * 1024 * 1024

Report = Callable[[int, int], None]


class CannotLoad(Exception):
    """The folder is no model that can be served; the message says what is wrong with it."""


@dataclass
class Sequence:
    """One prompt on its way through prefill: what the model needs beside the token ids."""

    tokens: list[int]
    features: dict[str, Any]
    rope_delta: int = 0


class Backend(ABC):
    """A loaded generating model. Everything here runs on the step thread."""

    config: dict[str, Any]
    context: int
    vocabulary: int
    has_vision: bool = False
    # Positions of a multimodal rope run apart from the cache's length by this, row by row.
    has_rope_delta: bool = False
    model: Any
    prepared: Prepared
    # Whose models these are, for the message where one can't be loaded.
    library: str

    def __init__(self, folder: Path, policy: Policy, report: Report) -> None:
        self.config = read_config(folder)
        try:
            self.model = self.load(folder)
        except (ValueError, KeyError, TypeError, RuntimeError, ImportError, OSError) as error:
            raise CannotLoad(f"{folder} can't be loaded by {self.library}: {error}") from error
        self.prepared = prepare(self.model, policy, memory(), report)
        read_weights(self.model, report)
        text = self.config.get("text_config") or self.config
        self.context = context_length(self.config, folder)
        self.vocabulary = int(text.get("vocab_size") or self.config.get("vocab_size") or 0)

    @abstractmethod
    def load(self, folder: Path) -> Any:
        """The library's model, its weights mapped and not yet read."""

    @property
    def architecture(self) -> str:
        return str(self.config.get("model_type", "unknown"))

    @property
    def parameters(self) -> int:
        return self.prepared.parameters

    @abstractmethod
    def make_cache(self) -> kv.Cache: ...

    def looks_at(self, vision: Any, start: int) -> int:
        """How many pixels `begin` will look at."""
        return 0

    @abstractmethod
    def begin(self, tokens: list[int], vision: Any, start: int) -> Sequence:
        """Ready a prompt of which the first `start` tokens are in the cache already."""

    def look(self, tokens: list[int], vision: Any, start: int) -> Generator[None, None, Sequence]:
        """`begin` in pieces, for pictures: between two of them others may be served."""
        yield from ()
        return self.begin(tokens, vision, start)

    @abstractmethod
    def prefill(self, sequence: Sequence, start: int, end: int, cache: kv.Cache) -> None:
        """Run tokens start..end into the cache, lazily; no logits are made."""

    @abstractmethod
    def prefill_rows(self, tokens: mx.array, cache: kv.Cache, rope_delta: mx.array) -> None:
        """Run plain text for several rows at once, [rows, tokens], into a batch's cache."""

    @abstractmethod
    def decode(self, tokens: mx.array, cache: kv.Cache, rope_delta: mx.array | None) -> mx.array:
        """One token a row in, logits [rows, vocabulary] out."""


def arrays_of(model: Any) -> list[mx.array]:
    flat = tree_flatten(model.parameters())
    assert isinstance(flat, list)
    return [a for _, a in flat]


def read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CannotLoad(f"{folder} has no config.json, so it is not a model folder") from error
    except (OSError, ValueError) as error:
        raise CannotLoad(f"{folder / 'config.json'} can't be read: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise CannotLoad(f"{folder / 'config.json'} names no model_type")
    refuse_own_code(folder, config)
    return config


def refuse_own_code(folder: Path, config: dict[str, Any]) -> None:
    """A checkpoint is data. One that can only be built by running its own Python is refused."""
    if config.get("model_file"):
        raise CannotLoad(
            f"{folder} wants to run its own Python ({config['model_file']!r}) to be loaded. mlxd "
            "never runs code from a checkpoint; use a conversion of a known architecture"
        )


def read_weights(model: Any, report: Report) -> None:
    """Bring lazily mapped parameters into memory, telling how far it has come."""
    parameters = arrays_of(model)
    total, done, size = sum(a.nbytes for a in parameters), 0, 0
    portion: list[mx.array] = []
    report(0, total)
    for a in parameters:
        portion.append(a)
        size += a.nbytes
        if size >= LOAD_PORTION_BYTES:
            mx.eval(portion)
            done, portion, size = done + size, [], 0
            report(done, total)
    mx.eval(portion)
    report(total, total)


def context_length(config: dict[str, Any], folder: Path) -> int:
    """The model's own limit: what it was trained for, or less where its tokenizer says so."""
    text = config.get("text_config") or config
    known = text.get("max_position_embeddings") or config.get("max_position_embeddings")
    limit = int(known) if isinstance(known, int) and known > 0 else 8192
    try:
        named = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        most = named.get("model_max_length")
    except (OSError, ValueError):
        return limit
    return min(limit, int(most)) if isinstance(most, int) and 0 < most < 10**9 else limit


def weight_files(folder: Path) -> dict[str, mx.array]:
    """All weights of a folder, mapped and not yet read."""
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise CannotLoad(f"{folder} has no model*.safetensors")
    arrays: dict[str, mx.array] = {}
    for file in files:
        loaded = mx.load(str(file))
        assert isinstance(loaded, dict)
        arrays.update(loaded)
    return arrays


def fill(model: Any, config: dict[str, Any], arrays: dict[str, mx.array]) -> None:
    """Give a new model the weights of a checkpoint in MLX's own form."""
    if quantization := config.get("quantization"):
        _quantize_as_saved(model, quantization, arrays)
    model.eval()
    model.load_weights(list(arrays.items()), strict=True)


def _quantize_as_saved(
    model: Any, quantization: dict[str, Any], arrays: dict[str, mx.array]
) -> None:
    """Give those modules a quantised form whose weights were saved in one."""

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
