"""Which architectures the installed model zoos have, from the names of their files: importing them
would take seconds, and this process must never load MLX."""

import ast
import importlib.util
import os
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

TEXT, VISION = "mlx_lm", "mlx_vlm"
_ALIASES = "MODEL_REMAPPING"
_EMBEDDING = ("embedding_loader.py", "EMBEDDING_MODEL_REMAPPING")
# Formats of quantisation that mlx-lm turns into MLX's own; None is unquantised.
_CONVERTED = {
    "awq", "gptq", "bitnet", "mxfp4", "mxfp8", "fp8", "compressed-tensors", "modelopt",
}  # fmt: skip


class Zoo(msgspec.Struct, frozen=True):
    place: Path
    names: set[str]

    def has(self, kind: str, file: str = "utils.py", table: str = _ALIASES) -> bool:
        """Also by another name, for which the module `file` has a table: that is only read when
        there is no model of this very name."""
        return kind in self.names or _table(self.place / file, table).get(kind) in self.names


@cache
def zoo(package: str) -> Zoo | None:
    """None where the package is not installed, and nothing can be said."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    place = Path(next(iter(spec.submodule_search_locations)))
    names = {Path(name).stem for name in os.listdir(place / "models") if not name.startswith("_")}
    return Zoo(place, names)


@cache
def _table(file: Path, name: str) -> dict[str, str]:
    """A dictionary that the module assigns to `name`, read without running the module."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in node.targets
        ):
            try:
                return dict(ast.literal_eval(node.value))
            except (ValueError, TypeError):
                return {}
    return {}


def unsupported(config: dict[str, Any], *, embedding: bool) -> str | None:
    """Why no engine can load a model with this configuration, in the order in which one tries."""
    if config.get("model_file"):
        return "it wants to run its own Python to be loaded, which mlxd never does"
    if is_classifier(config):
        return "it is a reranker, and no engine of this release serves one"
    if told := _quantisation(config):
        return told
    kind = str(config.get("model_type", ""))
    if not kind:
        return None
    spelt = kind.replace("-", "_")
    text, vision = zoo(TEXT), zoo(VISION)
    if text is None or vision is None:
        return None
    if embedding:
        fits = any(vision.has(name, *_EMBEDDING) for name in (kind, spelt))
    elif "vision_config" in config:
        fits = text.has(kind) or vision.has(kind) or vision.has(spelt)
    else:
        fits = text.has(kind)
    if fits:
        return None
    return f"no engine knows the architecture {kind!r} (of mlx-lm and mlx-vlm as installed)"


def is_classifier(config: dict[str, Any]) -> bool:
    told = config.get("architectures")
    classes = told if isinstance(told, list) else []
    return any(str(name).endswith("ForSequenceClassification") for name in classes)


def _quantisation(config: dict[str, Any]) -> str | None:
    if isinstance(config.get("quantization"), dict):
        return None
    foreign = config.get("quantization_config")
    method = foreign.get("quant_method") if isinstance(foreign, dict) else None
    if method is None or method in _CONVERTED:
        return None
    return f"it is quantised by {method!r}, which MLX can't read; look for a conversion to MLX"
