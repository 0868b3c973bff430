"""The layers of a BERT for one short text: numpy, and products of our own.

A question has a handful of tokens, and half of the time that MLX takes for it goes into beginning
eight hundred operations (docs/how/cpu.md).
"""

import logging
from collections.abc import Iterator
from typing import Any

import mlx.core as mx
import numpy as np
import numpy.typing as npt
from mlx.nn.layers.linear import Linear

from mlxd.machine import Kernels

from .encoders import SQRT_HALF, TAIL, P
from .packed import PackedLinear, address, usable

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]

# Longer ones are computed by MLX, whose operations are then large enough.
MOST_TOKENS = 32
# Encoders whose layers are known here in their parts.
_KINDS = ("mlx_vlm.models.bert.bert", "mlx_vlm.models.xlm_roberta.xlm_roberta")
# What both ways may differ by; states have a size of about one.
_LIKE = 1e-4


def install(model: Any) -> None:
    """Only where both ways give the same: a library may change what its layers do."""
    kernels = usable()
    if kernels is None or not _takes(model):
        return
    layers = list(model.encoder.layer)
    short = Short(layers, kernels)
    whole: Any = type(model.encoder)
    states = mx.random.normal((1, 5, model.config.hidden_size), key=mx.random.key(1))
    apart = float(mx.abs(short(states[0]) - model.encoder(states, None)[0]).max())
    if not apart < _LIKE:
        log.warning("short texts go the library's way: ours differs by %g", apart)
        return

    # Its base is the library's class for this model, which is known only now.
    class Encoder(whole):  # type: ignore[misc]
        def __call__(self, states: mx.array, mask: mx.array | None = None) -> mx.array:
            rows, length, _ = states.shape
            if (
                rows == 1
                and length <= MOST_TOKENS
                and not (mask is not None and np.array(mask).any())
            ):
                return short(states[0])[None]
            made: mx.array = super().__call__(states, mask)
            return made

    model.encoder.__class__ = Encoder


def _takes(model: Any) -> bool:
    known = type(model).__module__ in _KINDS and type(model).__name__ == "Model"
    return known and all(_plain(layer) for layer in model.encoder.layer)


def _plain(layer: Any) -> bool:
    norms = (layer.attention.output.LayerNorm, layer.output.LayerNorm)
    floats = [a for norm in norms for a in (norm.weight, norm.bias)]
    for linear in _linears(layer):
        if "bias" not in linear:
            return False
        if isinstance(linear, Linear):
            floats.append(linear.weight)
        elif not isinstance(linear, PackedLinear):
            return False
        floats.append(linear.bias)
    return all(a.dtype == mx.float32 for a in floats)


def _linears(layer: Any) -> Iterator[Any]:
    own = layer.attention.self
    yield from (own.query, own.key, own.value, layer.attention.output.dense)
    yield from (layer.intermediate.dense, layer.output.dense)


class Short:
    """What goes in and comes out are the tokens' states, one row each."""

    def __init__(self, layers: list[Any], kernels: Kernels) -> None:
        self._layers = [_Layer(layer, kernels) for layer in layers]

    def __call__(self, states: mx.array) -> mx.array:
        made: Floats = np.array(states)
        for layer in self._layers:
            made = layer(made)
        return mx.array(made)


class _Layer:
    def __init__(self, layer: Any, kernels: Kernels) -> None:
        made = [_Product(linear, kernels) for linear in _linears(layer)]
        self._inwards, (self._out, self._wide, self._narrow) = made[:3], made[3:]
        self._first = _Norm(layer.attention.output.LayerNorm)
        self._second = _Norm(layer.output.LayerNorm)
        self._heads = layer.attention.self.num_attention_heads
        self._scale = np.float32(layer.attention.self.scale)

    def __call__(self, x: Floats) -> Floats:
        x = self._first(self._out(self._attend(x)) + x)
        return self._second(self._narrow(gelu(self._wide(x))) + x)

    def _attend(self, x: Floats) -> Floats:
        q, k, v = (
            linear(x).reshape(len(x), self._heads, -1).transpose(1, 0, 2)
            for linear in self._inwards
        )
        scores = (q * self._scale) @ k.transpose(0, 2, 1)
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        seen = np.ascontiguousarray((scores @ v).transpose(1, 0, 2), np.float32)
        return seen.reshape(len(x), -1)


class _Product:
    def __init__(self, linear: Any, kernels: Kernels) -> None:
        self._multiply = kernels.multiply
        self._bias = np.array(linear.bias)
        if isinstance(linear, PackedLinear):
            self._kept: Any = linear.stand_in
            self._outputs, self._inputs = linear.stand_in.shape
            self._weight = linear.stand_in.key
        else:
            self._kept = mx.contiguous(linear.weight)
            self._outputs, self._inputs = linear.weight.shape
            self._weight = address(self._kept)

    def __call__(self, x: Floats) -> Floats:
        made = np.empty((len(x), self._outputs), np.float32)
        self._multiply(x.ctypes.data, self._weight, made.ctypes.data, (*made.shape, self._inputs))
        made += self._bias
        return made


class _Norm:
    def __init__(self, norm: Any) -> None:
        self._weight, self._bias = np.array(norm.weight), np.array(norm.bias)
        self._eps = np.float32(norm.eps)

    def __call__(self, x: Floats) -> Floats:
        """In place."""
        share = np.float32(1 / x.shape[1])
        x -= np.add.reduce(x, axis=1, keepdims=True) * share
        variance = np.einsum("ij,ij->i", x, x) * share
        x *= (1 / np.sqrt(variance + self._eps))[:, None]
        x *= self._weight
        x += self._bias
        return x


def gelu(x: Floats) -> Floats:
    """In place, and as in `encoders.gelu`."""
    z = np.abs(x)
    t = 1 / (1 + np.float32(P * SQRT_HALF) * z)
    tail = t * np.float32(TAIL[-1] / 2)
    for factor in TAIL[-2::-1]:
        tail += np.float32(factor / 2)
        tail *= t
    tail *= z
    z *= z
    z *= np.float32(-0.5)
    tail *= np.exp(z, out=z)
    np.maximum(x, 0, out=x)
    x -= tail
    return x
