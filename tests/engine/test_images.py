"""Our reader of the Qwen families' pictures against the library's own processor."""

import io
import json
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlxd.engine.backends.images import LibraryReader, QwenReader
from mlxd.engine.text import Tokenizer
from mlxd.wire import ImagePart

PLACE = "<|vision_start|><|image_pad|><|vision_end|>"


def part(width: int, height: int) -> ImagePart:
    draw = random.Random(width * height)
    out = io.BytesIO()
    Image.frombytes("RGB", (width, height), draw.randbytes(3 * width * height)).save(out, "PNG")
    return ImagePart(out.getvalue(), "messages[0].content[0]")


@pytest.mark.parametrize(
    "sizes",
    [[(64, 48)], [(1, 1)], [(15, 300)], [(900, 700)], [(640, 160), (33, 47)], [(2048, 40)]],
)
def test_it_makes_what_the_library_makes(vision_model: Path, sizes: list[tuple[int, int]]) -> None:
    config = json.loads((vision_model / "config.json").read_text())
    mine = QwenReader(vision_model, config, Tokenizer.load(vision_model), 10**8)
    theirs = LibraryReader(vision_model, config, 10**8)
    images = [part(*size) for size in sizes]
    prompt = "look: " + " and ".join([PLACE] * len(sizes)) + " done"
    tokens, found = mine.read(prompt, images)
    wanted_tokens, wanted = theirs.read(prompt, images)
    assert tokens == wanted_tokens
    assert found.positions.tolist() == wanted.positions.tolist()
    assert found.arrays["image_grid_thw"].tolist() == wanted.arrays["image_grid_thw"].tolist()
    np.testing.assert_allclose(
        found.arrays["pixel_values"], wanted.arrays["pixel_values"], atol=1e-6
    )
