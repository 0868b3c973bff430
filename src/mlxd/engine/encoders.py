"""Layers of models for vectors on a CPU, in the operations that are fast there.

MLX's error function takes 25 nanoseconds an element, nearly half of what such a model needs; and a
product that begins with a bias goes past our kernels for few rows (docs/how/cpu.md).
"""

import mlx.core as mx
from mlx.nn.layers.activations import GELU
from mlx.nn.layers.base import Module
from mlx.nn.layers.linear import Linear

_LOG2_E = 1.4426950408889634
SQRT_HALF = 0.7071067811865476
# Hastings: the tail of the error function as a polynomial in t = 1 / (1 + P z) times exp(-z²),
# to 1.5e-7 (Abramowitz and Stegun, 7.1.26).
P = 0.3275911
TAIL = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)


def install(model: Module) -> None:
    """Exactly these: a subclass may do more than its parent."""
    for module in model.modules():
        if type(module) is Linear and "bias" in module:
            module.__class__ = _Linear
        elif type(module) is GELU and module._approx == "none":
            module.__class__ = _Gelu


def gelu(x: mx.array) -> mx.array:
    """x Φ(x): with z = |x| it is max(x, 0) - z Φ(-z), and Φ(-z) is half the tail."""
    z = mx.abs(x)
    t = 1 / (1 + (P * SQRT_HALF) * z)
    tail = t * TAIL[4]
    for factor in TAIL[3::-1]:
        tail = t * (factor + tail)
    return mx.maximum(x, 0) - z * tail * mx.power(2.0, z * z * (-0.5 * _LOG2_E)) * 0.5


class _Gelu(GELU):
    def __call__(self, x: mx.array) -> mx.array:
        exact: mx.array = gelu(x) if x.dtype == mx.float32 else super().__call__(x)  # type: ignore[no-untyped-call]
        return exact


class _Linear(Linear):
    def __call__(self, x: mx.array) -> mx.array:
        y: mx.array = x @ self.weight.T + self.bias
        return y
