"""Encoded images in, arrays for the model out. Runs on the preparers' threads."""

import hashlib
import io
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from mlxd.wire import ImagePart

from ..job import Refused

_IMAGE_TOKEN_NAMES = ("image_token_id", "image_token_index")
# What clients send. Pillow reads forty formats more, some by starting other programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
# Pillow's own limit is higher or lower than ours, which is asked before anything is decoded.
Image.MAX_IMAGE_PIXELS = None
# What a picture is brought down to where a client asks for little detail.
_SMALL = (512, 512)
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
            if image.small:
                decoded[-1].thumbnail(_SMALL)
        tokens, arrays = self._process(prompt, decoded, images)
        positions = np.flatnonzero(np.asarray(tokens) == self._image_token)
        return tokens, Pictures(arrays, positions, [_digest(image) for image in images])

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


def _as_bytes(image: Image.Image) -> Image.Image:
    """Grey values of 16 or 32 bits and fractions, which Pillow would cut off at 255."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
    highest = values.max()
    if image.mode.startswith("I;16"):
        white = 65535.0
    else:  # no file says what white is
        white = next((w for w in (1.0, 255.0, 65535.0) if highest <= w), highest)
    return Image.fromarray((values.clip(0, white) * (255 / white)).round().astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        image = _as_bytes(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        page = Image.new("RGB", layer.size, (255, 255, 255))
        page.paste(layer, mask=layer.getchannel("A"))
        return page
    return image.convert("RGB")


def _digest(image: ImagePart) -> int:
    person = b"small" if image.small else b""
    return int.from_bytes(hashlib.blake2b(image.data, digest_size=7, person=person).digest())
