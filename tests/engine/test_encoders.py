"""The layers that models for vectors get on a CPU compute what MLX's own do."""

import mlx.core as mx
import mlx.nn as nn

from mlxd.engine import encoders


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 64), nn.GELU("precise")]

    def __call__(self, x: mx.array) -> mx.array:
        for layer in self.layers:
            x = layer(x)
        return x


def test_a_block_gives_the_same() -> None:
    mx.random.seed(1)
    block, x = Block(), mx.random.normal((2, 9, 64)) * 3
    wanted = block(x)
    mx.eval(wanted)
    kinds = [type(layer) for layer in block.layers]
    encoders.install(block)
    changed = [type(layer) is not kind for layer, kind in zip(block.layers, kinds, strict=True)]
    assert changed == [True, True, True, False]
    assert float(mx.abs(block(x) - wanted).max()) < 1e-5


def test_gelu_is_exact_to_what_float32_shows() -> None:
    x = mx.concatenate([mx.linspace(-12, 12, 20_001), mx.array([0.0, -0.0, 1e-30, -1e30, 1e30])])
    assert float(mx.abs(encoders.gelu(x) - nn.gelu(x))[:20_001].max()) < 1e-6
    assert encoders.gelu(x)[-5:].tolist() == nn.gelu(x)[-5:].tolist()
