"""Encoded images in, arrays for the model out. Runs on the preparer's thread."""

import hashlib
import io
import json
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from mlxd.wire import ImagePart

from ..job import Refused
from ..text import Tokenizer
from .base import CannotLoad

_IMAGE_TOKEN_NAMES = ("image_token_id", "image_token_index")
# The families that cut pictures into patches in one and the same way.
_QWEN = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")
# A picture longer than this times its width has no size that these models were trained for.
_LONGEST_ASPECT = 200
# What clients send. Pillow reads forty formats more, some by starting other programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
# A request's images are in memory at once: together they may have this many times one's pixels.
_TOGETHER = 4


@dataclass
class Pictures:
    """A prompt's images, processed to arrays, and where its image tokens stand."""

    arrays: dict[str, npt.NDArray[Any]]
    positions: npt.NDArray[np.int64]
    digests: list[int]

    @property
    def last(self) -> int:
        return int(self.positions[-1]) if len(self.positions) else -1


def picture_key(tokens: list[int], pictures: Pictures) -> npt.NDArray[np.int64]:
    """The prompt as a prefix-cache key: image tokens become negative numbers of their content."""
    key = np.asarray(tokens, dtype=np.int64)
    runs = np.split(pictures.positions, np.flatnonzero(np.diff(pictures.positions) > 1) + 1)
    for i, run in enumerate(runs):
        if len(run):
            key[run] = -1 - pictures.digests[min(i, len(pictures.digests) - 1)]
    return key


class ImageReader(ABC):
    """Turns a rendered prompt and its images into tokens and arrays."""

    def __init__(self, config: dict[str, Any], pixel_limit: int) -> None:
        found = [config[n] for n in _IMAGE_TOKEN_NAMES if isinstance(config.get(n), int)]
        self._image_token = found[0] if found else -1
        self._pixel_limit = pixel_limit

    def read(self, prompt: str, images: list[ImagePart]) -> tuple[list[int], Pictures]:
        decoded: list[Image.Image] = []
        room = _TOGETHER * self._pixel_limit
        for image in images:
            decoded.append(self._decode(image, room))
            room -= decoded[-1].width * decoded[-1].height
        tokens, arrays = self._process(prompt, decoded, images)
        positions = np.flatnonzero(np.asarray(tokens) == self._image_token)
        return tokens, Pictures(arrays, positions, [_digest(image.data) for image in images])

    @abstractmethod
    def _process(
        self, prompt: str, decoded: list[Image.Image], images: list[ImagePart]
    ) -> tuple[list[int], dict[str, npt.NDArray[Any]]]: ...

    def _decode(self, image: ImagePart, room: int) -> Image.Image:
        try:
            with Image.open(io.BytesIO(image.data), formats=_FORMATS) as opened:
                self._check_size(opened, room, image.where)
                return _on_white(ImageOps.exif_transpose(opened))
        except Refused:
            raise
        except UnidentifiedImageError as error:
            raise Refused(
                f"this is no image in a format that can be read ({', '.join(_FORMATS)})",
                param=image.where,
                code="invalid_image",
            ) from error
        except Exception as error:  # a decoder may fail on its input in any way Python knows
            raise Refused(
                f"the image can't be decoded: {error}", param=image.where, code="invalid_image"
            ) from error

    def _check_size(self, image: Image.Image, room: int, where: str) -> None:
        """Before anything is decoded."""
        pixels = image.width * image.height
        if pixels > self._pixel_limit:
            told = (
                f"the image has {image.width}×{image.height} pixels; the limit is "
                f"{self._pixel_limit:,} pixels"
            )
        elif pixels > room:
            told = (
                "the request's images up to this one have more than "
                f"{_TOGETHER * self._pixel_limit:,} pixels together, which is the limit"
            )
        else:
            return
        raise Refused(told, param=where, code="image_too_large")


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        page = Image.new("RGB", layer.size, (255, 255, 255))
        page.paste(layer, mask=layer.getchannel("A"))
        return page
    return image.convert("RGB")


def _digest(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=7).digest())


class LibraryReader(ImageReader):
    """By the processor that the library brings for the model."""

    def __init__(self, folder: Path, config: dict[str, Any], pixel_limit: int) -> None:
        super().__init__(config, pixel_limit)
        from mlx_vlm.utils import load_processor

        try:
            self._processor = load_processor(folder, add_detokenizer=False)
        except (ValueError, KeyError, TypeError, RuntimeError, ImportError, OSError) as error:
            raise CannotLoad(f"{folder} has no image processor that works: {error}") from error

    def _process(
        self, prompt: str, decoded: list[Image.Image], images: list[ImagePart]
    ) -> tuple[list[int], dict[str, npt.NDArray[Any]]]:
        try:
            made = self._processor(text=[str(prompt)], images=decoded, return_tensors="np")
        except (ValueError, TypeError, IndexError) as error:
            raise Refused(
                f"the model's image processor can't use these images: {error}", param="messages"
            ) from error
        kinds = (np.ndarray, mx.array)
        arrays = {k: np.array(v) for k, v in dict(made).items() if isinstance(v, kinds)}
        tokens = arrays.pop("input_ids").reshape(-1).astype(np.int64)
        arrays.pop("attention_mask", None)
        arrays.pop("token_type_ids", None)
        return tokens.tolist(), arrays


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


def image_reader(
    folder: Path, config: dict[str, Any], tokenizer: Tokenizer, pixel_limit: int
) -> ImageReader:
    if QwenReader.reads(config):
        return QwenReader(folder, config, tokenizer, pixel_limit)
    return LibraryReader(folder, config, pixel_limit)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
