"""A checkpoint with a number missing in it: whoever touches it is told, nobody else notices."""

from collections.abc import Iterator
from pathlib import Path

import mlx.core as mx
import pytest
from tests.engine.checkpoints import text_checkpoint
from tests.engine.harness import Engine, engine
from tests.engine.test_generation import prompt

from mlxd.wire import Sampling

DAMAGED = 1234
# The damaged token must not be chosen by itself.
SAFE = Sampling(temperature=0.0, logit_bias={DAMAGED: -100.0})


@pytest.fixture(scope="module", params=[float("nan"), float("inf")])
def damaged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = text_checkpoint(tmp_path_factory.mktemp("damaged") / "model", "qwen2")
    file = str(folder / "model.safetensors")
    weights = mx.load(file)
    assert isinstance(weights, dict)
    weights["model.embed_tokens.weight"][DAMAGED, 3] = request.param
    mx.save_safetensors(file, weights, {"format": "mlx"})
    return folder


@pytest.fixture
def served(damaged: Path) -> Iterator[Engine]:
    with engine(damaged) as started:
        yield started


def test_the_request_ends_with_an_error_and_its_neighbours_live(served: Engine) -> None:
    alone = served.ask(prompt(9, 1), sampling=SAFE, max_tokens=30).tokens
    neighbours = [served.submit(prompt(9, 1), sampling=SAFE, max_tokens=30) for _ in range(2)]
    sick = served.submit([*prompt(20, 2), DAMAGED, *prompt(5, 3)], sampling=SAFE)
    failed = served.wait(sick)[0].failed
    assert failed is not None
    assert failed.blame == "engine"
    assert "not a number" in failed.message
    assert not served.answers[sick].tokens
    assert [a.tokens for a in served.wait(*neighbours)] == [alone, alone]


def test_what_it_left_in_the_prefix_cache_does_not_serve_again(served: Engine) -> None:
    sound, sick = prompt(30, 4), [*prompt(30, 4), DAMAGED]
    served.ask(sound, sampling=SAFE)
    assert served.ask([*sick, 300], sampling=SAFE).failed is not None
    after = served.ask([*sound, *prompt(3, 5)], sampling=SAFE)
    assert after.finish == "length"
    assert after.usage is not None
    assert after.usage.cached == 0
    idle = served.until_idle()
    assert (idle.running, idle.kv_bytes) == (0, 0)
