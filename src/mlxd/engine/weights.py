"""How a model's weights are held on this machine.

On a Linux CPU only float32 products go through the BLAS: MLX's own bfloat16, float16 and
quantised products there are ten to a hundred times slower. So the weights become float32 when
memory allows. On Metal and CUDA nothing is changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from sys import modules
from typing import Any, Literal

import mlx.core as mx
import mlx.nn as nn
from mlx.nn.layers.base import Module

from ..machine import Memory, backend

Policy = Literal["auto", "float32", "keep"]

# Of what is free, the part that weights may take; the rest is for caches and activations.
WEIGHTS_SHARE = 0.75
GIB = 1 << 30

# Quantised modules that are known, and the plain module of the same package that computes the
# same from a plain weight. Anything else keeps its own way: it may do more than multiply.
PLAIN = {
    "QuantizedLinear": "Linear",
    "QuantizedEmbedding": "Embedding",
    "QuantizedSwitchLinear": "SwitchLinear",
    "QuantizedMultiLinear": "MultiLinear",
}


@dataclass(frozen=True)
class Prepared:
    """`dtype` names what the weights are now; `notes` say in words what was done and why."""

    dtype: str
    notes: list[str] = field(default_factory=list)


def prepare(model: Module, policy: Policy, memory: Memory) -> Prepared:
    """Make the model's weights fit for this machine, in place."""
    found = _dtype(model)
    if policy == "keep" or backend() != "cpu":
        return Prepared(found)
    now, wanted = _bytes(model), _float32_bytes(model)
    # The old weights are given back as the new ones are made.
    room = int((memory.available + now) * WEIGHTS_SHARE)
    if policy == "auto" and wanted > room:
        note = (
            f"weights stay {found}: as float32 they would take {wanted / GIB:.1f} GiB and "
            f"{room / GIB:.1f} GiB of memory may be used for them; answers are slower"
        )
        return Prepared(found, [note])
    left = _to_float32(model)
    notes = [f"weights held as float32 ({wanted / GIB:.1f} GiB), from {found}"]
    if left:
        notes.append(f"kept quantised, since they are of an unknown kind: {', '.join(left)}")
    return Prepared("float32", notes)


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


def _bytes(model: Module) -> int:
    return sum(array.nbytes for _, _, array in _arrays(model))


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


def _to_float32(model: Module) -> list[str]:
    """One module after the other, so that at most one layer's weights are there twice.

    Returns the kinds of quantised modules that had to stay.
    """
    left: set[str] = set()
    for path, module in model.named_modules():
        if not _is_quantised(module):
            continue
        plain = _plain(module)
        if plain is None:
            left.add(type(module).__name__)
        else:
            _replace(model, path, plain)
    for owner, name, array in list(_arrays(model)):
        if _floating(array) and array.dtype != mx.float32 and not _is_quantised(owner):
            owner[name] = array.astype(mx.float32)
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
