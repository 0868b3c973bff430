"""The experts of a mixture model, in the bits of the checkpoint, on a CPU.

MLX multiplies each row with its own expert's weight: a product of that row with a part of one large
array, by the address of that part. So there is one stand-in for a layer's experts, with a place for
each, and `packed` does the rest.
"""

import weakref

import mlx.core as mx
import numpy as np
from mlx.nn.layers.base import Module

from ..machine import Kernels
from .packed import LANES, Held, address, can_hold, held, usable

_BYTES_APART = LANES * 4  # of float32
# Rows for each expert from which its rows are multiplied together: before, putting the products
# together takes longer than reading a weight once for each row.
GROUP_FROM_ROWS = 4


def can_pack_experts(module: Module) -> bool:
    return module.weight.ndim == 3 and can_hold(module)


def _one(module: Module, expert: int) -> Module:
    """One expert as a layer of its own."""
    made = Module()
    for name in ("weight", "scales", "biases"):
        if module.get(name) is not None:
            made[name] = module[name][expert]
    for name in ("bits", "group_size", "mode"):
        if hasattr(module, name):
            setattr(made, name, getattr(module, name))
    return made


class _StandIns:
    """Keeps the registrations as long as the arrays that MLX multiplies with. `each`: the experts'
    one by one."""

    def __init__(self, module: Module) -> None:
        found = usable()
        assert found is not None
        count = module.weight.shape[0]
        seed = mx.zeros((count * LANES,))
        mx.eval(seed)
        key = address(seed)
        self._kept: list[Held] = []
        for expert in range(count):
            one = held(_one(module, expert))
            self._kept.append(one)
            one.register(found, key + expert * _BYTES_APART)
        rows, columns = self._kept[0].shape
        whole = mx.as_strided(seed, (count, rows, columns), (LANES, columns, 1))
        self.transposed = whole.swapaxes(-1, -2)
        self.each = [
            mx.as_strided(seed, (rows, columns), (columns, 1), expert * LANES).T
            for expert in range(count)
        ]
        mx.eval(self.transposed, self.each)
        self._seed = seed
        weakref.finalize(self, _unregister, found, key, count)


def _unregister(found: Kernels, key: int, count: int) -> None:
    for expert in range(count):
        found.unregister(key + expert * _BYTES_APART)


class PackedExperts(Module):
    """A SwitchLinear or QuantizedSwitchLinear, computing in float32 from the weights as saved."""

    def __init__(self, module: Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.stand_ins = _StandIns(module)
        if "bias" in module:
            self.bias = module.bias.astype(mx.float32)
        self.freeze()

    def __call__(self, x: mx.array, indices: mx.array, sorted_indices: bool = False) -> mx.array:
        x = x.astype(mx.float32)
        many = indices.size >= GROUP_FROM_ROWS * len(self.stand_ins.each)
        if sorted_indices and many and x.ndim == 3 and indices.ndim == 1:
            y = self._grouped(x, indices)
        else:
            y = mx.gather_mm(x, self.stand_ins.transposed, rhs_indices=indices)
        return y + mx.expand_dims(self.bias[indices], -2) if "bias" in self else y

    def _grouped(self, x: mx.array, indices: mx.array) -> mx.array:
        """Many rows: those of an expert in one product, which reads its weight once."""
        experts = np.array(indices)
        starts = np.flatnonzero(np.diff(experts, prepend=-1))
        ends = [*starts[1:].tolist(), len(experts)]
        products = [
            x[begin:end, 0] @ self.stand_ins.each[experts[begin]]
            for begin, end in zip(starts.tolist(), ends, strict=True)
        ]
        return mx.concatenate(products)[:, None]
