"""Pictures are looked at piece by piece: the same numbers, and chats come in between."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.engine.harness import Engine, engine, say

import mlxd.pilot
from mlxd.engine.backends import Pictures
from mlxd.engine.backends.vision import VisionBackend
from mlxd.wire import Priority

PILOT = Path(mlxd.pilot.__file__).parent


@pytest.fixture(scope="module")
def backend() -> VisionBackend:
    return VisionBackend(PILOT, "auto", lambda done, total: None)


@pytest.fixture(scope="module")
def pilot() -> Iterator[Engine]:
    with engine(PILOT) as started:
        yield started


def prompt(backend: VisionBackend, *sizes: tuple[int, int]) -> tuple[list[int], Pictures]:
    draw = np.random.default_rng(7)
    patch = int(backend.config["vision_config"]["patch_size"])
    place = int(backend.config["image_token_id"])
    tokens, pixels, grids = [1, 2, 3], [], []
    for width, height in sizes:
        grids.append((1, height // patch, width // patch))
        count = grids[-1][1] * grids[-1][2]
        pixels.append(draw.standard_normal((count, 6 * patch * patch)).astype(np.float32))
        tokens += [*[place] * (count // 4), 4]
    where = np.flatnonzero(np.array(tokens) == place)
    arrays = {"pixel_values": np.concatenate(pixels), "image_grid_thw": np.array(grids)}
    return tokens, Pictures(arrays, where, list(range(len(sizes))))


@pytest.mark.parametrize("sizes", [[(64, 48)], [(256, 192)], [(128, 64), (48, 160)]])
def test_pieces_make_what_the_library_makes(
    backend: VisionBackend, sizes: list[tuple[int, int]]
) -> None:
    tokens, pictures = prompt(backend, *sizes)
    whole = backend.begin(tokens, pictures, 0)
    looking, pieces = backend.look(tokens, pictures, 0), 0
    made: Any = None
    try:
        while True:
            next(looking)
            pieces += 1
    except StopIteration as done:
        made = done.value
    assert pieces > 12, "it was not cut"
    assert made.rope_delta == whole.rope_delta
    assert made.features.keys() == whole.features.keys()
    for name, expected in whole.features.items():
        np.testing.assert_allclose(
            np.array(made.features[name]), np.array(expected), rtol=1e-3, atol=1e-4, err_msg=name
        )


def test_a_chat_comes_in_while_a_background_picture_is_looked_at(pilot: Engine) -> None:
    for height in (464, 432, 416, 400):
        out = io.BytesIO()
        Image.effect_noise((464, height), 60).save(out, "PNG")
        seen = len(pilot.looked_at)
        picture = pilot.submit(say("?", out.getvalue()), max_tokens=2, priority=Priority.BATCH)
        while len(pilot.looked_at) == seen:
            pilot.receive()
        begun = pilot.progress.steps
        with pilot.standing_still():
            # Where it was seen too late, most of it may be done.
            if pilot.progress.steps < begun + 40:
                chat = pilot.submit(say("Reply with exactly OK"), max_tokens=2)
                break
        pilot.wait(picture)
    else:
        pytest.fail("no picture was met at its beginning")
    pilot.wait(chat)
    told = pilot.progress.steps
    while picture not in pilot.answers:
        pilot.receive()
    assert pilot.wait(picture)[0].finish
    assert pilot.progress.steps > told + 50, "the picture was all looked at before the chat"


def test_a_picture_that_nobody_waits_for_is_not_looked_at_to_the_end(pilot: Engine) -> None:
    out = io.BytesIO()
    Image.effect_noise((464, 448), 60).save(out, "PNG")
    seen = len(pilot.looked_at)
    picture = pilot.submit(say("?", out.getvalue()), max_tokens=2, priority=Priority.BATCH)
    while len(pilot.looked_at) == seen:
        pilot.receive()
    with pilot.standing_still():
        before = pilot.progress.steps
        pilot.cancel(picture)
    idle = pilot.until_idle()
    assert (idle.running, idle.waiting, idle.kv_bytes) == (0, 0, 0)
    assert idle.steps < before + 120, "it went on"
    assert pilot.ask(say("still there?")).finish
