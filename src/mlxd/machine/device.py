"""Which device MLX computes on, and what must be done before it is imported."""

import importlib.metadata
import os
import sys
from typing import Literal

from .blas import open_blas

Backend = Literal["cpu", "metal", "cuda"]

# The wheels that bring a CUDA backend; each puts its own libmlx.so in place of the CPU one.
CUDA_WHEELS = ("mlx-cuda-12", "mlx-cuda-13", "mlx-cuda")


def expects_accelerator() -> bool:
    """Known before MLX is imported: macOS has Accelerate and Metal, a CUDA wheel has CUDA."""
    if sys.platform != "linux":
        return True
    for wheel in CUDA_WHEELS:
        try:
            importlib.metadata.version(wheel)
        except importlib.metadata.PackageNotFoundError:
            continue
        return True
    return False


def backend() -> Backend:
    """What MLX uses in this process. Imports MLX: for the engine only."""
    import mlx.core as mx

    if mx.default_device().type == mx.DeviceType.cpu:
        return "cpu"
    return "metal" if mx.metal.is_available() else "cuda"


def prepare_for_mlx(blas: str = "auto") -> list[str]:
    """Call once, before MLX is imported. Returns what was done, in words for the log.

    `blas`: "auto", "off", or the path of a library.
    """
    if "mlx.core" in sys.modules:
        raise RuntimeError("MLX is imported already: prepare_for_mlx must run before it")
    if expects_accelerator():
        return []
    # MLX compiles fused kernels with g++ when it first meets them: seconds at the first start, no
    # measurable gain on a CPU, and an error in the middle of an answer where building fails.
    os.environ.setdefault("MLX_DISABLE_COMPILE", "1")
    return [open_blas(blas).note]
