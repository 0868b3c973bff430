"""How a model's weights are held on this machine.

On a Linux CPU only float32 products go through the BLAS: MLX's own bfloat16, float16 and
quantised products there are ten to a hundred times slower. So linear layers, embeddings and the
experts of mixture models keep the bits they were saved in and are multiplied by our own kernels
(`packed`, `experts`), and everything else becomes float32. Where the kernels can't be built, all
weights become float32 when memory allows, and where it does not, quantised layers are unpacked anew
for each product. On Metal and CUDA nothing is changed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from sys import modules
from typing import Any, Literal

import mlx.core as mx
import mlx.nn as nn
from mlx.nn.layers.base import Module
from mlx.nn.layers.embedding import Embedding
from mlx.nn.layers.linear import Linear
from mlx.nn.layers.quantized import QuantizedEmbedding, QuantizedLinear

from ..machine import Memory, backend
from .experts import PackedExperts, can_pack_experts
from .packed import PackedEmbedding, PackedLinear, Rows, can_pack

Policy = Literal["auto", "float32", "as-is"]
Report = Callable[[int, int], None]

# Of what is free, the part that weights may take; the rest is for caches and activations.
WEIGHTS_SHARE = 0.75
GIB = 1 << 30
# Norms and the like: not worth a word when the linear layers are packed.
SMALL_REST_BYTES = 64 << 20

# Quantised modules that are known, and the plain module of the same package that computes the
# same from a plain weight. Anything else keeps its own way: it may do more than multiply.
PLAIN = {
    "QuantizedLinear": "Linear",
    "QuantizedEmbedding": "Embedding",
    "QuantizedSwitchLinear": "SwitchLinear",
    "QuantizedMultiLinear": "MultiLinear",
}
# MLX's quantised product takes about 0.9 ns for each weight and row on one core; unpacking and the
# product after it take 1.4 ns for each weight, whatever the rows up to eight.
UNPACK_FROM_ROWS = 2
# Layers that can be packed: exactly these, a subclass may do more than its parent.
PACKED: dict[type[Any], type[Any]] = {
    Linear: PackedLinear,
    QuantizedLinear: PackedLinear,
    Embedding: PackedEmbedding,
    QuantizedEmbedding: PackedEmbedding,
}


# The libraries' own layers of experts, which are only there once a model has some.
EXPERTS = ("SwitchLinear", "QuantizedSwitchLinear")
EXPERTS_MODULES = ("mlx_lm.models.switch_layers", "mlx_vlm.models.switch_layers")


@dataclass(frozen=True)
class Prepared:
    """`dtype` names what the weights are now; `notes` say in words what was done and why.

    `parameters` counts the model's weights, which its arrays no longer show once they are packed.
    """

    dtype: str
    notes: list[str] = field(default_factory=list)
    parameters: int = 0


def prepare(
    model: Module, policy: Policy, memory: Memory, report: Report | None = None
) -> Prepared:
    """Make the model's weights fit for this machine, in place. `report(done, total)` in bytes."""
    found, parameters = _dtype(model), _parameters(model)
    if policy == "as-is" or backend() != "cpu":
        return Prepared(found, [], parameters)
    notes = []
    if policy == "auto" and (held := _pack(model, report or (lambda done, total: None))):
        notes.append(f"linear layers hold their weights as saved ({found}, {held / GIB:.1f} GiB)")
    wanted = _float32_bytes(model)
    # What MLX holds already is given back as the new weights are made.
    room = int((memory.available + mx.get_active_memory()) * WEIGHTS_SHARE)
    if policy == "auto" and wanted > room:
        _unpack_each_time(model)
        notes.append(
            f"weights are unpacked for each product, which is slow: as float32 they would take "
            f"{wanted / GIB:.1f} GiB, and {max(room, 0) / GIB:.1f} GiB may be used"
        )
        return Prepared(found, notes, parameters)
    left = _to_float32(model)
    if wanted > SMALL_REST_BYTES or not notes:
        notes.append(f"weights held as float32 ({wanted / GIB:.1f} GiB), from {found}")
    if left:
        notes.append(f"kept quantised, since they are of an unknown kind: {', '.join(left)}")
    return Prepared(found if notes[0].startswith("linear") else "float32", notes, parameters)


def _floating(array: mx.array) -> bool:
    return bool(mx.issubdtype(array.dtype, mx.floating))


def _arrays(module: Module) -> Iterator[tuple[Module, str, mx.array]]:
    for owner in module.modules():
        for name, value in owner.items():
            if isinstance(value, mx.array):
                yield owner, name, value


def _is_quantised(module: Module) -> bool:
    return "scales" in module and hasattr(module, "bits") and hasattr(module, "group_size")


def _dtype(model: Module) -> str:
    """The kind that most of the weights' bytes are of."""
    totals: dict[str, int] = {}
    for owner, name, array in _arrays(model):
        kind = str(array.dtype).removeprefix("mlx.core.")
        if name == "weight" and _is_quantised(owner):
            kind = f"{owner.bits}-bit {getattr(owner, 'mode', 'affine')}"
        totals[kind] = totals.get(kind, 0) + array.nbytes
    return max(totals, key=lambda kind: totals[kind], default="float32")


def _parameters(model: Module) -> int:
    total = 0
    for owner, name, array in _arrays(model):
        if not _is_quantised(owner):
            total += array.size
        elif name == "weight":
            total += array.nbytes * 8 // owner.bits
        elif name == "bias":
            total += array.size
    return total


def _float32_bytes(model: Module) -> int:
    total = 0
    for owner, name, array in _arrays(model):
        if _is_quantised(owner) and name == "weight" and type(owner).__name__ in PLAIN:
            total += array.nbytes * 8 // owner.bits * 4
        elif _is_quantised(owner) and name in ("scales", "biases"):
            continue
        else:
            total += array.size * 4 if _floating(array) else array.nbytes
    return total


def _pack(model: Module, report: Report) -> int:
    """Pack what can be packed, one layer after the other; returns the bytes that were."""
    found = [(path, module, _packs_as(module)) for path, module in model.named_modules()]
    layers = [(path, module, packed) for path, module, packed in found if packed is not None]
    del found
    total, done = sum(_size(module) for _, module, _ in layers), 0
    while layers:
        path, module, packed = layers.pop()
        _replace(model, path, packed(module))
        done += _size(module)
        report(done, total)
    mx.clear_cache()
    return total


def _packs_as(module: Module) -> type[Any] | None:
    kind = type(module)
    if kind in PACKED and can_pack(module):
        return PACKED[kind]
    experts = kind.__name__ in EXPERTS and kind.__module__ in EXPERTS_MODULES
    return PackedExperts if experts and can_pack_experts(module) else None


def _size(module: Module) -> int:
    return sum(a.nbytes for a in module.values() if isinstance(a, mx.array))


def _unpack_each_time(model: Module) -> None:
    """For weights that must stay small: products in float32, from a weight made for the moment."""
    for path, module in list(model.named_modules()):
        if type(module) is QuantizedLinear:
            _replace(model, path, UnpackingLinear(module))
        elif type(module) is QuantizedEmbedding:
            _replace(model, path, UnpackingEmbedding(module))
    for owner, name, array in [found for found in _arrays(model) if found[2].ndim == 1]:
        # Norms and biases. With them the activations become float32, and a product of those with
        # a half-precision weight is made in float32 too.
        if _floating(array) and not _is_quantised(owner):
            owner[name] = array.astype(mx.float32)


def _to_float32(model: Module) -> list[str]:
    """One module after the other, so that at most one layer's weights are there twice.

    Returns the kinds of quantised modules that had to stay.
    """
    left: set[str] = set()
    quantised = [(path, m) for path, m in model.named_modules() if _is_quantised(m)]
    while quantised:
        path, module = quantised.pop()
        plain = _plain(module)
        if plain is None:
            left.add(type(module).__name__)
        else:
            _replace(model, path, plain)
        del module, plain
    for owner, name in [(owner, name) for owner, name, _ in _arrays(model)]:
        if _floating(owner[name]) and owner[name].dtype != mx.float32 and not _is_quantised(owner):
            owner[name] = owner[name].astype(mx.float32)
            mx.eval(owner[name])
    mx.clear_cache()
    return sorted(left)


def dequantised(module: Module) -> mx.array:
    """A quantised module's weight as float32."""
    options: dict[str, Any] = {"group_size": module.group_size, "bits": module.bits}
    mode = getattr(module, "mode", "affine")
    scales, biases = module["scales"], module.get("biases")
    if biases is not None:
        # Scales in half precision would round every weight once more.
        scales, biases = scales.astype(mx.float32), biases.astype(mx.float32)
    if module.get("global_scale") is not None:
        options["global_scale"] = module["global_scale"]
    return mx.dequantize(
        module["weight"], scales=scales, biases=biases, mode=mode, dtype=mx.float32, **options
    )


def _plain(module: Module) -> Module | None:
    kind = type(module)
    # A subclass is not in the table: it may do more than its parent.
    name = PLAIN.get(kind.__name__)
    target = getattr(modules[kind.__module__], name or "", None) or getattr(nn, name or "", None)
    if target is None:
        return None
    plain: Module = target.__new__(target)
    Module.__init__(plain)
    plain.weight = dequantised(module)
    if "bias" in module:
        plain.bias = module.bias.astype(mx.float32)
    plain.freeze()
    plain.train(module.training)
    mx.eval(plain.parameters())
    return plain


def _replace(model: Module, path: str, new: Module) -> None:
    """Put `new` where `path` is, at once: nothing holds the old one any longer."""
    *above, last = path.split(".")
    holder: Any = model
    for step in above:
        holder = holder[int(step)] if isinstance(holder, list) else holder[step]
    if isinstance(holder, list):
        holder[int(last)] = new
    else:
        holder[last] = new


class UnpackingLinear(Module):
    """A quantised layer that makes its weight float32 for each product, and forgets it again."""

    def __init__(self, module: Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.inner = module

    def __call__(self, x: mx.array) -> mx.array:
        if x.size // x.shape[-1] < UNPACK_FROM_ROWS:
            few: mx.array = self.inner(x)
            return few
        y: mx.array = x.astype(mx.float32) @ dequantised(self.inner).T
        return y + self.inner.bias if "bias" in self.inner else y


class UnpackingEmbedding(Module):
    """The same for an embedding that is the output layer too."""

    def __init__(self, module: Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.inner = module
        self.rows = Rows(module)

    def __call__(self, ids: mx.array) -> mx.array:
        return self.rows(ids)

    def as_linear(self, x: mx.array) -> mx.array:
        if x.size // x.shape[-1] < UNPACK_FROM_ROWS:
            few: mx.array = self.inner.as_linear(x)
            return few
        y: mx.array = x.astype(mx.float32) @ dequantised(self.inner).T
        return y
