"""What families of vision models need beside what mlx-vlm does for them."""

from pathlib import Path

import mlx.core as mx
import numpy as np
from tests.engine.checkpoints import vision_checkpoint

from mlxd.engine.backends.images import Pictures
from mlxd.engine.backends.llava_next import packed
from mlxd.engine.backends.vision import VisionBackend


def backend(tmp_path: Path, kind: str) -> VisionBackend:
    return VisionBackend(vision_checkpoint(tmp_path / kind, kind), "auto", lambda *_: None)


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def prompt(model: VisionBackend, before: int, places: int) -> list[int]:
    place = model.config["image_token_id"]
    start, end = model.config["vision_start_token_id"], model.config["vision_end_token_id"]
    return [*range(10, 10 + before), start, *[place] * places, end, 5, 6, 7]


def pictures(tokens: list[int], model: VisionBackend, **arrays: np.ndarray) -> Pictures:
    places = np.flatnonzero(np.array(tokens) == model.config["image_token_id"])
    return Pictures(dict(arrays), places, [1])


def test_a_picture_keeps_its_positions_while_another_prompt_is_begun(tmp_path: Path) -> None:
    model = backend(tmp_path, "glm4v")

    def begun(before: int, rows: int, columns: int) -> tuple[list[int], int]:
        tokens = prompt(model, before, rows * columns // 4)
        grid = np.array([[1, rows, columns]])
        pixels = noise(1, rows * columns, 3 * 2 * 8 * 8)
        seen = pictures(tokens, model, pixel_values=pixels, image_grid_thw=grid)
        sequences.append(model.begin(tokens, seen, 0))
        return tokens, rows // 2 * (columns // 2) - max(rows, columns) // 2

    sequences: list = []
    asked = [begun(3, 4, 8), begun(9, 8, 8)]
    for sequence, (tokens, fewer) in zip(sequences, asked, strict=True):
        positions = np.array(sequence.features["position_ids"])
        assert positions.shape == (3, 1, len(tokens))
        assert positions.max() == len(tokens) - 1 - fewer
        assert sequence.rope_delta == -fewer
    # What was left in the model would be taken for the next prompt's.
    assert model._language._position_ids is None
    cache = model.make_cache()
    for start, end in ((0, 7), (7, len(asked[0][0]))):
        model.prefill(sequences[0], start, end, cache)
    assert cache[0].offset == len(asked[0][0])


def test_a_llava_next_picture_is_read_line_by_line_across_its_tiles() -> None:
    # Two tiles beside each other, of 2×2 places each, after the whole picture.
    tiles = mx.array([[[0], [1], [2], [3]], [[10], [11], [20], [21]], [[12], [13], [22], [23]]])
    newline = mx.array([99])

    def read(height: int, width: int) -> list[int]:
        return packed(tiles, newline, 1, 2, (height, width)).reshape(-1).tolist()

    whole = [0, 1, 2, 3]
    assert read(20, 40) == [*whole, 10, 11, 12, 13, 99, 20, 21, 22, 23, 99]
    # A narrow one has bars at its sides: half of the width is none of it.
    assert read(20, 20) == [*whole, 11, 12, 99, 21, 22, 99]


def test_llava_next_makes_as_many_features_as_there_are_places(tmp_path: Path) -> None:
    model = backend(tmp_path, "llava_next")
    # 60×60 becomes 64×64: the whole, and four tiles as eight lines of eight places and a mark.
    tokens = prompt(model, 4, 16 + 8 * 9)
    sizes = np.array([[60, 60]])
    made = [
        model.begin(
            tokens,
            pictures(tokens, model, pixel_values=noise(seed, 1, 5, 3, 32, 32), image_sizes=sizes),
            0,
        ).features["inputs_embeds"]
        for seed in (1, 2)
    ]
    assert made[0].shape[1] == len(tokens)
    differs = np.array(mx.any(made[0] != made[1], axis=-1))[0]
    marks = [5 + 16 + 9 * line + 8 for line in range(8)]
    seen = [place for place in range(5, 5 + 16 + 72) if place not in marks]
    assert np.flatnonzero(differs).tolist() == seen
