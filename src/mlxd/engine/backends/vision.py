"""Vision-language models, from mlx-vlm's model zoo. Text-only prompts take the same path."""

import hashlib
import importlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import numpy.typing as npt

from mlxd.machine import memory
from mlxd.wire import ImagePart

from .. import kv, weights
from ..job import Refused
from .base import (
    Backend,
    CannotLoad,
    Report,
    Sequence,
    context_length,
    read_config,
    read_weights,
)

_IMAGE_TOKEN_NAMES = ("image_token_id", "image_token_index")


def supports(config: dict[str, Any]) -> bool:
    if "vision_config" not in config:
        return False
    spec = importlib.util.find_spec("mlx_vlm")
    places = list(spec.submodule_search_locations or []) if spec else []
    kind = str(config["model_type"]).replace("-", "_")
    return bool(places) and (Path(places[0]) / "models" / kind).is_dir()


@dataclass
class Pictures:
    """A prompt's images, processed to arrays, and where its image tokens stand."""

    arrays: dict[str, npt.NDArray[Any]]
    positions: npt.NDArray[np.int64]
    digests: list[int]

    @property
    def last(self) -> int:
        return int(self.positions[-1]) if len(self.positions) else -1


class VisionBackend(Backend):
    has_vision = True

    def __init__(self, folder: Path, policy: weights.Policy, report: Report) -> None:
        self.config = read_config(folder)
        from mlx_vlm.utils import load_model

        try:
            self.model = load_model(folder, lazy=True)
        except (ValueError, KeyError, TypeError, RuntimeError, ImportError, OSError) as error:
            raise CannotLoad(f"{folder} can't be loaded by mlx-vlm: {error}") from error
        self.prepared = weights.prepare(self.model, policy, memory())
        read_weights(self.model, report)
        self._language = self.model.language_model
        self.has_rope_delta = hasattr(self._language, "_rope_deltas")
        text = self.config.get("text_config") or self.config
        self.context = context_length(self.config, folder)
        self.vocabulary = int(text.get("vocab_size") or self.config.get("vocab_size") or 0)

    def make_cache(self) -> kv.Cache:
        from mlx_vlm.models.cache import make_prompt_cache

        return list(make_prompt_cache(self._language))

    def begin(self, tokens: list[int], vision: Any, start: int) -> Sequence:
        pictures: Pictures | None = vision
        if pictures is None:
            return Sequence(tokens, {})
        ids = mx.array(tokens)[None]
        arrays = {name: mx.array(value) for name, value in pictures.arrays.items()}
        if start > pictures.last:  # the pictures are in the cache: only where they end matters
            return Sequence(tokens, {}, self._rope_delta(ids, arrays))
        pixels = arrays.pop("pixel_values", None)
        features = self.model.get_input_embeddings(ids, pixels, mask=None, **arrays).to_dict()
        features = {name: value for name, value in features.items() if value is not None}
        delta = features.pop("rope_deltas", None)
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


class ImageReader:
    """Encoded images in, arrays for the model out. Runs on the preparer's thread."""

    def __init__(self, folder: Path, config: dict[str, Any], pixel_limit: int) -> None:
        from mlx_vlm.utils import load_processor

        try:
            self._processor = load_processor(folder, add_detokenizer=False)
        except (ValueError, KeyError, TypeError, RuntimeError, ImportError, OSError) as error:
            raise CannotLoad(f"{folder} has no image processor that works: {error}") from error
        found = [config[n] for n in _IMAGE_TOKEN_NAMES if isinstance(config.get(n), int)]
        self._image_token = found[0] if found else -1
        self._pixel_limit = pixel_limit

    def read(self, prompt: str, images: list[ImagePart]) -> tuple[list[int], Pictures]:
        decoded = [self._decode(image) for image in images]
        try:
            made = self._processor(text=[prompt], images=decoded, return_tensors="np")
        except (ValueError, TypeError, IndexError) as error:
            raise Refused(
                f"the model's image processor can't use these images: {error}", param="messages"
            ) from error
        arrays = {name: np.array(value) for name, value in dict(made).items() if _is_array(value)}
        tokens = arrays.pop("input_ids").reshape(-1).astype(np.int64)
        arrays.pop("attention_mask", None)
        arrays.pop("token_type_ids", None)
        digests = [_digest(image.data) for image in images]
        positions = np.flatnonzero(tokens == self._image_token)
        return tokens.tolist(), Pictures(arrays, positions, digests)

    def _decode(self, image: ImagePart) -> Any:
        from PIL import Image, ImageOps, UnidentifiedImageError

        try:
            with Image.open(io.BytesIO(image.data)) as opened:
                width, height = opened.size
                if width * height > self._pixel_limit:
                    raise Refused(
                        f"the image has {width}×{height} pixels; the limit is "
                        f"{self._pixel_limit:,} pixels",
                        param=image.where,
                        code="image_too_large",
                    )
                turned = ImageOps.exif_transpose(opened)
                return _on_white(turned)
        except UnidentifiedImageError as error:
            raise Refused(
                "this is no image in a format that can be read",
                param=image.where,
                code="invalid_image",
            ) from error
        except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
            raise Refused(
                f"the image can't be decoded: {error}", param=image.where, code="invalid_image"
            ) from error


def _is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, mx.array))


def _digest(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=7).digest())


def _on_white(image: Any) -> Any:
    from PIL import Image

    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        page = Image.new("RGB", layer.size, (255, 255, 255))
        page.paste(layer, mask=layer.getchannel("A"))
        return page
    return image.convert("RGB")


def picture_key(tokens: list[int], pictures: Pictures) -> npt.NDArray[np.int64]:
    """The prompt as a prefix-cache key: image tokens become negative numbers of their content."""
    key = np.asarray(tokens, dtype=np.int64)
    runs = np.split(pictures.positions, np.flatnonzero(np.diff(pictures.positions) > 1) + 1)
    digest = pictures.digests
    for i, run in enumerate(runs):
        if len(run):
            key[run] = -1 - digest[min(i, len(digest) - 1)]
    return key
