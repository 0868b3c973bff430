"""What differs between machines, behind one door. Importing it imports neither MLX nor NumPy."""

from .blas import Blas, open_blas, symbol_owner
from .cores import available_cores
from .device import backend, prepare_for_mlx
from .kept import CannotMake
from .memory import Memory, memory
from .process import die_with_parent
from .products import Kernels, kernels

__all__ = [
    "Blas",
    "CannotMake",
    "Kernels",
    "Memory",
    "available_cores",
    "backend",
    "die_with_parent",
    "kernels",
    "memory",
    "open_blas",
    "prepare_for_mlx",
    "symbol_owner",
]
