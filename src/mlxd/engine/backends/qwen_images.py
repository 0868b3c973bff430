"""Images for the Qwen-VL families, without the library's processor."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mlxd.wire import ImagePart

from ..job import Refused
from ..text import Tokenizer
from .images import ImageReader

# The families that cut pictures into patches in one and the same way.
_QWEN = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")
# A picture longer than this times its width has no size that these models were trained for.
_LONGEST_ASPECT = 200


class QwenReader(ImageReader):
    """The Qwen-VL families' own way, without transformers: it starts at once, and the prompt goes
    through the tokenizer that keeps clients' text from forming control tokens."""

    def __init__(
        self, folder: Path, config: dict[str, Any], tokenizer: Tokenizer, pixel_limit: int
    ) -> None:
        super().__init__(config, pixel_limit)
        self._tokenizer = tokenizer
        named = _read(folder / "preprocessor_config.json")
        named |= _read(folder / "processor_config.json").get("image_processor") or {}
        size = named.get("size") or {}
        vision = config.get("vision_config") or {}
        self._patch = int(named.get("patch_size") or vision.get("patch_size") or 14)
        self._merge = int(named.get("merge_size") or vision.get("spatial_merge_size") or 2)
        frames = named.get("temporal_patch_size") or vision.get("temporal_patch_size") or 2
        self._frames = int(frames)
        self._least = int(named.get("min_pixels") or size.get("shortest_edge") or 56 * 56)
        self._most = int(named.get("max_pixels") or size.get("longest_edge") or 1280 * 28 * 28)
        self._mean = np.array(named.get("image_mean") or [0.5] * 3, dtype=np.float32)
        self._deviation = np.array(named.get("image_std") or [0.5] * 3, dtype=np.float32)

    @staticmethod
    def reads(config: dict[str, Any]) -> bool:
        return config.get("model_type") in _QWEN

    def _process(
        self, prompt: str, decoded: list[Image.Image], images: list[ImagePart]
    ) -> tuple[list[int], dict[str, npt.NDArray[Any]]]:
        patches, grids = [], []
        for image, part in zip(decoded, images, strict=True):
            pixels, grid = self._patches(image, part.where)
            patches.append(pixels)
            grids.append(grid)
        counts = [t * h * w // self._merge**2 for t, h, w in grids]
        tokens = self._with_places(self._tokenizer.encode(prompt), counts)
        return tokens, {
            "pixel_values": np.concatenate(patches),
            "image_grid_thw": np.array(grids, dtype=np.int64),
        }

    def _with_places(self, tokens: list[int], counts: list[int]) -> list[int]:
        """Each image's one token made as many as it has merged patches."""
        found = tokens.count(self._image_token)
        if found != len(counts):
            raise Refused(
                f"the model's chat template made places for {found} images of {len(counts)}",
                param="messages",
            )
        left, filled = iter(counts), []
        for token in tokens:
            filled += [token] * next(left) if token == self._image_token else [token]
        return filled

    def _patches(
        self, image: Image.Image, where: str
    ) -> tuple[npt.NDArray[np.float32], tuple[int, int, int]]:
        """[patches, channels · frames · patch · patch], in the order that merging wants."""
        width, height = self._fit(image.width, image.height, where)
        if (width, height) != image.size:
            image = image.resize((width, height), Image.Resampling.BICUBIC)
        pixels = np.asarray(image, dtype=np.float32) * np.float32(1 / 255)
        pixels = (pixels - self._mean) / self._deviation
        p, m = self._patch, self._merge
        rows, columns = height // p, width // p
        cut = pixels.reshape(rows // m, m, p, columns // m, m, p, 3)
        ordered = cut.transpose(0, 3, 1, 4, 6, 2, 5).reshape(rows * columns, 3, 1, p, p)
        still = np.repeat(ordered, self._frames, axis=2)
        return still.reshape(rows * columns, -1), (1, rows, columns)

    def _fit(self, width: int, height: int, where: str) -> tuple[int, int]:
        """The nearest size in whole merged patches that is within the model's limits."""
        if max(width, height) > _LONGEST_ASPECT * min(width, height):
            raise Refused(
                f"the image is {width}×{height}; its longer side may be at most "
                f"{_LONGEST_ASPECT} times the shorter",
                param=where,
                code="invalid_image",
            )
        unit = self._patch * self._merge
        w, h = round(width / unit) * unit, round(height / unit) * unit
        if w * h > self._most:
            shrink = math.sqrt(width * height / self._most)
            w = max(unit, math.floor(width / shrink / unit) * unit)
            h = max(unit, math.floor(height / shrink / unit) * unit)
        elif w * h < self._least:
            grow = math.sqrt(self._least / (width * height))
            w, h = math.ceil(width * grow / unit) * unit, math.ceil(height * grow / unit) * unit
        return w, h


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
