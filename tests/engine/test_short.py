"""A short text through the layers that are our own is what the library makes of it.

The last test runs all others in a process where our own products were opened before MLX.
"""

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from tests.engine.own_products import NO_COMPILER, NOT_LINUX, rerun

from mlxd.engine import encoders, packed, short
from mlxd.engine.packed import PackedLinear


def bert() -> Any:
    from mlx_vlm.models.bert import bert as zoo
    from mlx_vlm.models.bert.config import ModelConfig

    mx.random.seed(3)
    sizes = {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 256}
    config = ModelConfig("bert", 100, num_hidden_layers=3, max_position_embeddings=80, **sizes)
    model = zoo.Model(config)
    for norm in (m for m in model.modules() if isinstance(m, nn.LayerNorm)):
        norm.weight = mx.random.uniform(0.5, 1.5, norm.weight.shape)
        norm.bias = mx.random.uniform(-0.5, 0.5, norm.bias.shape)
    mx.eval(model.parameters())
    return model


def states(model: Any, rows: list[list[int]], mask: list[list[int]]) -> mx.array:
    made: mx.array = model(mx.array(rows), attention_mask=mx.array(mask)).last_hidden_state
    mx.eval(made)
    return made


@pytest.fixture(autouse=True)
def _with_kernels(request: pytest.FixtureRequest) -> None:
    if "own_products" in request.node.name:
        return
    if packed.usable() is None:
        pytest.skip("our own products are not opened in this process; the last test does")


@pytest.mark.parametrize("length", [1, 2, 7, short.MOST_TOKENS])
def test_a_short_text_gives_the_same(length: int) -> None:
    model, ids, all_ = bert(), list(range(3, 3 + length)), [1] * length
    wanted = states(model, [ids], [all_])
    encoders.install(model)
    short.install(model)
    came: list[Any] = []
    own = short.Short.__call__

    def counted(self: short.Short, given: mx.array) -> mx.array:
        came.append(given.shape)
        return own(self, given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(short.Short, "__call__", counted)
        made = states(model, [ids], [all_])
    assert came == [(length, 64)]
    assert float(mx.abs(made - wanted).max()) < 1e-5


@pytest.mark.parametrize("kind", [mx.bfloat16, mx.float16])
def test_weights_are_used_in_the_bits_that_they_were_saved_in(kind: mx.Dtype) -> None:
    model, ids = bert(), [[5, 6, 7, 8]]
    for name, linear in model.named_modules():
        if isinstance(linear, nn.Linear):
            linear.weight = linear.weight.astype(kind)
            owner: Any = model
            *path, last = name.split(".")
            for step in path:
                owner = owner[int(step)] if isinstance(owner, list) else getattr(owner, step)
            setattr(owner, last, PackedLinear(linear))
    wanted = states(model, ids, [[1] * 4])
    plain = type(model.encoder)
    short.install(model)
    assert type(model.encoder) is not plain
    assert float(mx.abs(states(model, ids, [[1] * 4]) - wanted).max()) < 1e-5


def test_what_is_hidden_stays_hidden() -> None:
    """One row with padding, several rows and long ones go the library's way."""
    model = bert()
    given: list[tuple[list[list[int]], list[list[int]]]] = [
        ([[5, 6, 7, 0]], [[1, 1, 1, 0]]),
        ([[5, 6], [7, 8]], [[1, 1], [1, 1]]),
        ([[9] * (short.MOST_TOKENS + 1)], [[1] * (short.MOST_TOKENS + 1)]),
    ]
    wanted = [states(model, *one) for one in given]
    short.install(model)
    for one, expected in zip(given, wanted, strict=True):
        assert float(mx.abs(states(model, *one) - expected).max()) == 0.0


def test_a_model_that_computes_something_else_is_left_alone() -> None:
    model = bert()
    kind = type(model.encoder.layer[0])

    class Other(kind):  # type: ignore[misc,valid-type]
        def __call__(self, x: mx.array, mask: mx.array | None = None) -> mx.array:
            made: mx.array = super().__call__(x, mask) * 2
            return made

    model.encoder.layer[1].__class__ = Other
    plain = type(model.encoder)
    short.install(model)
    assert type(model.encoder) is plain


def test_gelu_is_exact_to_what_float32_shows() -> None:
    x = np.linspace(-12, 12, 20_001, dtype=np.float32)
    assert np.abs(short.gelu(x.copy()) - np.array(nn.gelu(mx.array(x)))).max() < 1e-6


@NOT_LINUX
@NO_COMPILER
def test_all_of_it_with_our_own_products() -> None:
    rerun(__file__)
