"""The model zoos behind one door."""

from pathlib import Path
from typing import Any

from ..text import Tokenizer
from ..weights import Policy
from . import text, vision
from .base import Backend, CannotLoad, Report, Sequence, read_config
from .images import ImageReader, Pictures, picture_key
from .library_images import LibraryReader
from .qwen_images import QwenReader

__all__ = [
    "Backend",
    "CannotLoad",
    "ImageReader",
    "Pictures",
    "Report",
    "Sequence",
    "image_reader",
    "load",
    "picture_key",
]


def load(folder: Path, policy: Policy, report: Report) -> Backend:
    config = read_config(folder)
    seeing = "vision_config" in config and not text.supports(config)
    if seeing or vision.supports(config):
        return vision.VisionBackend(folder, policy, report)
    return text.TextBackend(folder, policy, report)


def image_reader(
    folder: Path, config: dict[str, Any], tokenizer: Tokenizer, pixel_limit: int
) -> ImageReader:
    reader = QwenReader if QwenReader.reads(config) else LibraryReader
    return reader(folder, config, tokenizer, pixel_limit)
