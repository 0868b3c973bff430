"""Linear and embedding layers whose weights stay in the bits of the checkpoint, on a CPU.

MLX sees a stand-in: an array with the shape of the float32 weight and almost no memory behind it.
Its only use is as the right side of a matrix product, which MLX's CPU backend hands to cblas_sgemm
with the stand-in's address; `mlxd.machine.products` answers there, and multiplies with the packed
weight that is registered under that address.
"""

import weakref
from dataclasses import dataclass
from functools import cache
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.nn.layers.base import Module

from ..machine import Kernels, kernels

# The kernels read 16 scales at a time, and so up to 15 behind the last.
SCALE_PADDING = 16
# Weights of a row are read 16 at a time.
LANES = 16
# Rows whose codes are repacked at a time: each code is a float32 for that moment.
REPACK_ROWS = 4096
# In how many bits the kernels read a weight that the checkpoint has in so many.
HELD_BITS = {2: 2, 3: 4, 4: 4, 5: 8, 6: 8, 8: 8}
# A code whose value is 1 in the 4-bit floating-point formats, eight times.
FP4_ONES = 0x22222222


def address(array: mx.array) -> int:
    mx.eval(array)
    plain = array.view(mx.uint16) if array.dtype == mx.bfloat16 else array
    address: int = np.array(plain, copy=False).__array_interface__["data"][0]
    return address


@dataclass(frozen=True)
class Held:
    """A weight in the form that the kernels read."""

    shape: tuple[int, int]
    kind: str
    group: int
    data: mx.array
    scales: mx.array | None = None
    biases: mx.array | None = None

    def register(self, found: Kernels, key: int) -> None:
        """Use it where a product's weight is at `key`. Keep it until that is unregistered."""
        extra = [None if a is None else address(a) for a in (self.scales, self.biases)]
        found.register(key, self.shape, self.kind, self.group, address(self.data), *extra)


class _StandIn:
    """Keeps the registration as long as the array that MLX multiplies with."""

    def __init__(self, module: Module) -> None:
        found = usable()
        assert found is not None
        held_ = held(module)
        seed = mx.zeros((LANES,))
        whole = mx.as_strided(seed, held_.shape, (held_.shape[1], 1)).T
        mx.eval(seed, whole, held_.data)
        self.transposed = whole
        self.shape = held_.shape
        self._kept = (seed, held_)
        self.key = address(seed)
        held_.register(found, self.key)
        weakref.finalize(self, found.unregister, self.key)


@cache
def usable() -> Kernels | None:
    """The kernels, if MLX's products in this process really reach them.

    Checked with a weight that is registered as something else than it holds.
    """
    found = kernels()
    if found is None:
        return None
    shown, meant = mx.zeros((16, 32)), mx.ones((16, 32), dtype=mx.bfloat16)
    key = address(shown)
    found.register(key, (16, 32), "bfloat16", 32, address(meant))
    try:
        product = mx.ones((1, 32)) @ shown.T
        return found if product[0, 0].item() == 32.0 else None
    finally:
        found.unregister(key)


def _repacked(module: Module, rows: int, columns: int) -> mx.array:
    """Codes of 3, 5 and 6 bits in 4 or 8, whose borders fall on those of words."""
    bits, group = module.bits, module.group_size
    held = HELD_BITS[bits]
    if held == bits:
        words: mx.array = module.weight
        return words
    per = 32 // held
    shifts = mx.array([held * j for j in range(per)], dtype=mx.uint32)
    parts = []
    for at in range(0, rows, REPACK_ROWS):
        words = module.weight[at : at + REPACK_ROWS]
        scales = mx.ones((words.shape[0], columns // group))
        codes = mx.dequantize(words, scales, mx.zeros_like(scales), group, bits)
        codes = codes.astype(mx.uint32).reshape(words.shape[0], columns // per, per)
        parts.append(mx.sum(codes << shifts, axis=-1))
        mx.eval(parts[-1])
    return mx.contiguous(mx.concatenate(parts))


def _flat(values: mx.array) -> mx.array:
    flat = values.astype(mx.float32).flatten()
    return mx.concatenate([flat, mx.zeros((SCALE_PADDING,))])


def _fp4_scales(module: Module, mode: str) -> mx.array:
    ones = mx.full(module.weight.shape, FP4_ONES, dtype=mx.uint32)
    values = mx.dequantize(ones, module.scales, None, module.group_size, 4, mode, dtype=mx.float32)
    return values[:, :: module.group_size]


def _columns(module: Module) -> int:
    return int(module.scales.shape[-1]) * int(module.group_size)


def can_pack(module: Module) -> bool:
    return module.weight.ndim == 2 and can_hold(module)


def can_hold(module: Module) -> bool:
    """Whether the kernels know how this layer's weight is held."""
    weight = module.weight
    if usable() is None:
        return False
    if "scales" not in module:
        return weight.dtype in (mx.bfloat16, mx.float16) and weight.shape[-1] % LANES == 0
    if module.get("global_scale") is not None:
        return False
    if getattr(module, "mode", "affine") in ("mxfp4", "nvfp4"):
        return bool(module.bits == 4)
    affine = getattr(module, "mode", "affine") == "affine" and module.bits in HELD_BITS
    return affine and module.group_size in (32, 64, 128)


def held(module: Module) -> Held:
    rows, columns = module.weight.shape
    if "scales" not in module:
        kind = "bfloat16" if module.weight.dtype == mx.bfloat16 else "float16"
        return Held((rows, columns), kind, columns, mx.contiguous(module.weight))
    columns, group = _columns(module), module.group_size
    mode = getattr(module, "mode", "affine")
    if mode == "affine":
        kind = f"q{HELD_BITS[module.bits]}"
        words = _repacked(module, rows, columns)
        scales, biases = _flat(module.scales), _flat(module.biases)
    else:
        kind, words, biases = "fp4", module.weight, None
        scales = _flat(_fp4_scales(module, mode))
    return Held((rows, columns), kind, group, mx.contiguous(words), scales, biases)


class PackedLinear(Module):
    """A Linear or QuantizedLinear, computing in float32 from the weight as it was saved."""

    def __init__(self, module: Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.stand_in = _StandIn(module)
        if "bias" in module:
            self.bias = module.bias.astype(mx.float32)
        self.freeze()

    @property
    def weight(self) -> mx.array:
        """The whole weight as float32, for the few models that look at it."""
        return unpacked(self.stand_in)

    def __call__(self, x: mx.array) -> mx.array:
        y = x.astype(mx.float32) @ self.stand_in.transposed
        return y + self.bias if "bias" in self else y


class PackedEmbedding(Module):
    """An Embedding or QuantizedEmbedding whose output side, if it is used, is packed."""

    def __init__(self, module: Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rows = Rows(module)
        self.stand_in = _StandIn(module)
        self.freeze()

    @property
    def weight(self) -> mx.array:
        return unpacked(self.stand_in)

    def __call__(self, ids: mx.array) -> mx.array:
        return self.rows(ids)

    def as_linear(self, x: mx.array) -> mx.array:
        return x.astype(mx.float32) @ self.stand_in.transposed


class Rows:
    """Rows of a weight by their number, as float32; it shares the arrays of the module."""

    def __init__(self, module: Module) -> None:
        self.arrays = {n: module[n] for n in ("weight", "scales", "biases") if n in module}
        self.options: dict[str, Any] = {}
        if "scales" in module:
            self.options = {"group_size": module.group_size, "bits": module.bits}
            self.options["mode"] = getattr(module, "mode", "affine")

    def __call__(self, ids: mx.array) -> mx.array:
        rows = {name: a[ids] for name, a in self.arrays.items() if a is not None}
        if "scales" not in rows:
            plain: mx.array = rows["weight"].astype(mx.float32)
            return plain
        if rows["scales"].dtype != mx.uint8:
            rows = {n: r if n == "weight" else r.astype(mx.float32) for n, r in rows.items()}
        weight, scales = rows.pop("weight"), rows.pop("scales")
        return mx.dequantize(weight, scales, rows.get("biases"), dtype=mx.float32, **self.options)


def unpacked(stand_in: _StandIn) -> mx.array:
    """A product with the unit matrix: exact, whatever the weight is held in."""
    return mx.contiguous((mx.eye(stand_in.shape[1]) @ stand_in.transposed).T)
