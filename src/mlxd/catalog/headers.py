"""What safetensors files say of their tensors, from the first few kilobytes of each."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

# A safetensors header is JSON of some hundred bytes a tensor; more than this is no header.
MAX_HEADER_BYTES = 100 * 1024 * 1024
# Bits in one packed number of a quantised weight.
PACKED_BITS = 32


class Tensor(msgspec.Struct, frozen=True):
    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int

    @property
    def count(self) -> int:
        return math.prod(self.shape)


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """`parameters` as the model has them unpacked. `bits` for each, with scales and biases;
    `dtypes`: bytes by type."""

    parameters: int
    size: int
    quantised: int
    bits: float
    dtypes: dict[str, int]


def tensors(file: Path) -> Iterator[Tensor]:
    """Raises ValueError for what is no safetensors file."""
    with file.open("rb") as data:
        length = int.from_bytes(data.read(8), "little")
        if length > min(MAX_HEADER_BYTES, file.stat().st_size):
            raise ValueError(f"{file.name} is no safetensors file")
        header = msgspec.json.decode(data.read(length), type=dict[str, Any])
    for name, told in header.items():
        if name != "__metadata__":
            begin, end = told["data_offsets"]
            yield Tensor(name, told["dtype"], tuple(told["shape"]), end - begin)


def summed(files: list[Path], quantization: dict[str, Any]) -> Weights:
    """`quantization` as config.json has it: group sizes of weights that are packed."""
    found = {one.name: one for file in files for one in tensors(file)}
    parameters = quantised = 0
    dtypes: dict[str, int] = {}
    for one in found.values():
        dtypes[one.dtype] = dtypes.get(one.dtype, 0) + one.size
        base, _, leaf = one.name.rpartition(".")
        scales = found.get(f"{base}.scales")
        if scales is None:
            parameters += one.count
        elif leaf == "weight" and one.dtype == "U32":
            count = scales.count * _group(base, quantization)
            parameters += count
            quantised += count
        elif leaf not in ("scales", "biases"):
            parameters += one.count
    size = sum(one.size for one in found.values())
    return Weights(
        parameters=parameters,
        size=size,
        quantised=quantised,
        bits=round(size * 8 / parameters, 2) if parameters else 0.0,
        dtypes=dtypes,
    )


def _group(base: str, quantization: dict[str, Any]) -> int:
    own = quantization.get(base)
    chosen = own if isinstance(own, dict) else quantization
    return int(chosen.get("group_size", 64))
