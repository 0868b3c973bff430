"""Our reader of the Qwen families' pictures against the library's own processor."""

import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlxd.engine.backends.library_images import LibraryReader
from mlxd.engine.backends.qwen_images import QwenReader
from mlxd.engine.job import Refused
from mlxd.engine.text import Rendered, Tokenizer
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
    theirs = LibraryReader(vision_model, config, Tokenizer.load(vision_model), 10**8)
    images = [part(*size) for size in sizes]
    spelt = "look: " + " and ".join([PLACE] * len(sizes)) + " done"
    prompt = Rendered.of(spelt, Tokenizer.load(vision_model).guard(()))
    tokens, found = mine.read(prompt, images)
    wanted_tokens, wanted = theirs.read(prompt, images)
    assert tokens == wanted_tokens
    assert found.positions.tolist() == wanted.positions.tolist()
    assert found.arrays["image_grid_thw"].tolist() == wanted.arrays["image_grid_thw"].tolist()
    np.testing.assert_allclose(
        found.arrays["pixel_values"], wanted.arrays["pixel_values"], atol=1e-6
    )


def reader(folder: Path, pixel_limit: int = 10**8) -> QwenReader:
    config = json.loads((folder / "config.json").read_text())
    return QwenReader(folder, config, Tokenizer.load(folder), pixel_limit)


def encoded(form: str, mode: str = "RGB", size: tuple[int, int] = (40, 30), **how: Any) -> bytes:
    noise = random.Random(1).randbytes(3 * size[0] * size[1])
    out = io.BytesIO()
    Image.frombytes("RGB", size, noise).convert(mode).save(out, form, **how)
    return out.getvalue()


TURNED = Image.Exif()
TURNED[0x0112] = 6
SOUND = [
    encoded("PNG", exif=TURNED),
    encoded("PNG", "P", transparency=0),
    encoded("PNG", "I;16"),
    encoded("JPEG", exif=TURNED),
    encoded("JPEG", "CMYK"),
    encoded("WEBP", "RGBA", lossless=True),
    encoded("GIF", "P"),
    encoded("BMP"),
    encoded("TIFF", compression="tiff_lzw"),
    encoded("TIFF", exif=TURNED),
    encoded("AVIF", exif=TURNED),
]


def damaged(draw: random.Random) -> bytes:
    data = bytearray(draw.choice(SOUND))
    for _ in range(draw.choice((1, 2, 8))):
        at = draw.randrange(draw.choice((60, 200, len(data))))
        match draw.randrange(4):
            case 0 | 1:
                data[at : at + 1] = bytes([draw.choice((0, 1, 127, 255, draw.randrange(256)))])
            case 2:
                del data[at : at + draw.randrange(1, 30)]
            case 3:
                data[at:at] = draw.randbytes(draw.randrange(1, 9))
    return bytes(data)


@pytest.mark.filterwarnings("ignore")  # what Pillow thinks of a damaged file's metadata
def test_any_damage_is_refused_or_read(vision_model: Path) -> None:
    mine, draw = reader(vision_model, 10**6), random.Random(7)
    for data in SOUND:
        mine.read(PLACE, [ImagePart(data, "here")])
    refusals = []
    for _ in range(2000):
        try:
            mine.read(PLACE, [ImagePart(damaged(draw), "here")])
        except Refused as refusal:
            refusals.append(refusal.param)
    assert len(refusals) > 500
    assert set(refusals) == {"here"}


@pytest.mark.parametrize("form", ["EPS", "ICO", "PCX", "PPM", "TGA", "ICNS"])
def test_formats_that_nobody_sends_are_not_opened(vision_model: Path, form: str) -> None:
    data = encoded(form, size=(64, 64))
    with pytest.raises(Refused, match="no image in a format that can be read"):
        reader(vision_model).read(PLACE, [ImagePart(data, "here")])


def test_images_have_a_limit_each_and_together(vision_model: Path) -> None:
    mine = reader(vision_model, 10_000)
    vast = encoded("BMP", size=(8, 8))
    vast = vast[:18] + (60_000).to_bytes(4, "little") * 2 + vast[26:]
    with pytest.raises(Refused, match=r"60000×60000 pixels; the limit is 10,000"):
        mine.read(PLACE, [ImagePart(vast, "here")])
    with pytest.raises(Refused, match=r"101×100 pixels; the limit is 10,000"):
        mine.read(PLACE, [part(101, 100)])
    mine.read(PLACE * 4, [part(100, 100)] * 4)
    five = [part(100, 100)] * 4 + [ImagePart(part(1, 1).data, "the fifth")]
    with pytest.raises(Refused, match="more than 40,000 pixels together") as refused:
        mine.read(PLACE * 5, five)
    assert (refused.value.param, refused.value.code) == ("the fifth", "image_too_large")


@pytest.mark.parametrize(
    ("kind", "white"),
    [(np.uint8, 255), (np.uint16, 65535), (np.int32, 2_000_000), (np.float32, 1.0)],
)
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_grey_of_any_depth_is_the_same_grey(
    vision_model: Path, kind: type, white: float, form: str
) -> None:
    if form == "PNG" and kind in (np.int32, np.float32):
        pytest.skip("PNG has no such depth")
    ramp = (np.linspace(0, 1, 64 * 64).reshape(64, 64) * white).astype(kind)
    out = io.BytesIO()
    Image.fromarray(ramp).save(out, form)
    seen = reader(vision_model)._decode(ImagePart(out.getvalue(), "here"), 10**8)
    wanted = (np.linspace(0, 255, 64 * 64)).reshape(64, 64)
    assert seen.mode == "RGB"
    assert np.abs(np.asarray(seen)[..., 0] - wanted).max() <= 1


def test_little_detail_is_a_smaller_picture_and_not_the_same(vision_model: Path) -> None:
    mine = reader(vision_model)
    whole, small = part(1600, 800), part(700, 500)
    asked = [ImagePart(one.data, one.where, small=True) for one in (whole, small, part(40, 30))]
    seen = mine.read(PLACE * 3, asked)[1]
    patches = [(h * mine._patch, w * mine._patch) for _, h, w in seen.arrays["image_grid_thw"]]
    unit = mine._patch * mine._merge
    for found, wanted in zip(patches, [(256, 512), (366, 512), (30, 40)], strict=True):
        assert max(abs(f - w) for f, w in zip(found, wanted, strict=True)) <= unit
    assert mine.read(PLACE, [whole])[1].digests[0] != seen.digests[0]
