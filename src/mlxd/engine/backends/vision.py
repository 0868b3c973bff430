"""Vision-language models, from mlx-vlm's model zoo. Text-only prompts take the same path."""

import importlib
import sys
import types
from collections.abc import Generator
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from .. import kv
from . import llava_next
from .base import (
    Backend,
    Sequence,
    fill,
    weight_files,
)
from .images import Pictures
from .tower import Tower, takes
from .zoo import importable, place_of, whole

# Numbers a pixel has.
COLOURS = 3


def supports(config: dict[str, Any]) -> bool:
    if "vision_config" not in config:
        return False
    kind = str(config["model_type"]).replace("-", "_")
    return (place_of("mlx_vlm") / "models" / kind).is_dir()


# Imported, each of these would bring transformers with it, and only to read images for which there
# is a reader here.
_NOT_NEEDED = "mlx_vlm.models.qwen3_vl.processing_qwen3_vl"


def _plain(config: dict[str, Any]) -> bool:
    """Whether it is of the one family that is loaded without the library's own loader."""
    quantization = config.get("quantization") or {}
    simple = not config.get("quantization_config") or bool(quantization)
    return config["model_type"] == "qwen3_vl" and simple


def _load_plain(folder: Path, config: dict[str, Any]) -> Any:
    importable("mlx_vlm")
    sys.modules.setdefault(_NOT_NEEDED, types.ModuleType(_NOT_NEEDED))
    zoo = importlib.import_module("mlx_vlm.models.qwen3_vl")
    settings = zoo.ModelConfig.from_dict(config)
    settings.text_config = zoo.TextConfig.from_dict(config["text_config"])
    settings.vision_config = zoo.VisionConfig.from_dict(config["vision_config"])
    model = zoo.Model(settings)
    arrays = model.sanitize(weight_files(folder))
    if model.vision_tower is not None:
        arrays = model.vision_tower.sanitize(arrays)
    fill(model, config, arrays)
    return model


def _load_foreign(folder: Path) -> Any:
    whole("mlx_vlm", _NOT_NEEDED)
    from mlx_vlm.utils import load_model

    return load_model(folder, lazy=True)


class VisionBackend(Backend):
    has_vision = True

    library = "mlx-vlm"

    def load(self, folder: Path) -> Any:
        plain = _plain(self.config)
        model = _load_plain(folder, self.config) if plain else _load_foreign(folder)
        if self.config["model_type"] == "llava_next":
            llava_next.mend(model, self.config)
        self._language = model.language_model
        self.has_rope_delta = hasattr(self._language, "_rope_deltas")
        return model

    def make_cache(self) -> kv.Cache:
        from mlx_vlm.models.cache import make_prompt_cache

        return list(make_prompt_cache(self._language))

    def looks_at(self, vision: Any, start: int) -> int:
        pictures: Pictures | None = vision
        if pictures is None or start > pictures.last or "pixel_values" not in pictures.arrays:
            return 0
        return pictures.arrays["pixel_values"].size // COLOURS

    def begin(self, tokens: list[int], vision: Any, start: int) -> Sequence:
        pictures: Pictures | None = vision
        if pictures is None:
            return Sequence(tokens, {})
        ids = mx.array(tokens)[None]
        arrays = {name: mx.array(value) for name, value in pictures.arrays.items()}
        for name in [n for n in arrays if n.endswith("token_type_ids")]:
            # It is known for the prompt; what was answered since is text.
            known = arrays[name].reshape(1, -1)
            arrays[name] = mx.pad(known, [(0, 0), (0, len(tokens) - known.shape[1])])
        if start > pictures.last:  # the pictures are in the cache: only where they end matters
            return Sequence(tokens, {}, self._rope_delta(ids, arrays))
        pixels = arrays.pop("pixel_values", None)
        everything = mx.ones(ids.shape, dtype=mx.int32)  # nothing of the prompt is padding
        made = self.model.get_input_embeddings(ids, pixels, mask=everything, **arrays)
        features = {name: value for name, value in made.to_dict().items() if value is not None}
        positions = features["inputs_embeds"].shape[1]
        if positions != len(tokens):
            raise ValueError(
                f"mlx-vlm made {positions} positions of a prompt of {len(tokens)} tokens: "
                f"{self.architecture} can't be used with these images"
            )
        delta = features.pop("rope_deltas", None)
        if getattr(self._language, "_position_ids", None) is not None:
            features["position_ids"], delta = self._left_positions()
        mx.eval(list(features.values()))
        return Sequence(tokens, features, _scalar(delta))

    def _left_positions(self) -> tuple[mx.array, mx.array]:
        """GLM and others leave a prompt's positions in the model, where another row would be taken
        to have them. A delta has to be there, or each row begins anew at its first step."""
        language = self._language
        left = language._position_ids, language._rope_deltas
        language._position_ids, language._rope_deltas = None, mx.zeros((1, 1), dtype=mx.int32)
        return left

    def look(self, tokens: list[int], vision: Any, start: int) -> Generator[None, None, Sequence]:
        if not (takes(self.model) and self.looks_at(vision, start)):
            return (yield from super().look(tokens, vision, start))
        pictures: Pictures = vision
        pixels = mx.array(pictures.arrays["pixel_values"])
        grids = mx.array(pictures.arrays["image_grid_thw"])
        dtype = self.model.vision_tower.patch_embed.proj.weight.dtype
        tower = Tower(self.model.vision_tower, pixels.astype(dtype), grids)
        yield from tower.pieces()
        ids = mx.array(tokens)[None]
        places = mx.array(pictures.positions.astype(np.uint32))
        embedded = self._language.model.embed_tokens(ids)
        embedded[0, places] = tower.features.astype(embedded.dtype)
        everything = mx.ones(ids.shape, dtype=mx.int32)
        positions, delta = self._language.get_rope_index(ids, grids, None, everything)
        features = {"inputs_embeds": embedded, "position_ids": positions}
        features["visual_pos_masks"] = ids == self.model.config.image_token_index
        if tower.deep:
            features["deepstack_visual_embeds"] = mx.stack(tower.deep)
        mx.eval(list(features.values()))
        return Sequence(tokens, features, _scalar(delta))

    def _rope_delta(self, ids: mx.array, arrays: dict[str, mx.array]) -> int:
        if not self.has_rope_delta or not hasattr(self._language, "get_rope_index"):
            return 0
        _, delta = self._language.get_rope_index(ids, arrays.get("image_grid_thw"), None, None)
        return _scalar(delta)

    def prefill(self, sequence: Sequence, start: int, end: int, cache: kv.Cache) -> None:
        ids = mx.array(sequence.tokens[start:end])[None]
        features = dict(sequence.features)
        embeddings = features.pop("inputs_embeds", None)
        if embeddings is not None:
            embeddings = embeddings[:, start:end]
            if "position_ids" in features:
                features["position_ids"] = features["position_ids"][..., start:end]
        elif self.has_rope_delta:
            features["rope_deltas"] = mx.array([[sequence.rope_delta]])
            features["position_ids"] = self._positions(start, end, sequence.rope_delta)
        self._language(
            ids, inputs_embeds=embeddings, cache=cache, n_to_process=end - start, **features
        )

    def prefill_rows(self, tokens: mx.array, cache: kv.Cache, rope_delta: mx.array) -> None:
        more = {"rope_deltas": rope_delta} if self.has_rope_delta else {}
        self._language(tokens, cache=cache, **more)

    @staticmethod
    def _positions(start: int, end: int, rope_delta: int) -> mx.array:
        """Text goes on in all three axes at once, where the pictures before it left off."""
        line = mx.arange(start + rope_delta, end + rope_delta)
        return mx.broadcast_to(line[None, None], (3, 1, end - start))

    def decode(self, tokens: mx.array, cache: kv.Cache, rope_delta: mx.array | None) -> mx.array:
        more = {} if rope_delta is None else {"rope_deltas": rope_delta}
        out = self._language(tokens[:, None], cache=cache, **more)
        logits: mx.array = out.logits if hasattr(out, "logits") else out
        return logits[:, -1, :]


def _scalar(delta: mx.array | None) -> int:
    return 0 if delta is None else int(np.array(delta).reshape(-1)[0])
