"""What differs between machines, behind one door. Importing it imports neither MLX nor NumPy."""

from .blas import Blas, open_blas, symbol_owner
from .cores import available_cores
from .device import backend, prepare_for_mlx
from .kept import CannotMake, cache_folder, damaged_files, unfinished_files
from .memory import Memory, give_back_freed, memory
from .process import die_with_parent
from .products import Kernels, kernels

__all__ = [
    "Blas",
    "CannotMake",
    "Kernels",
    "Memory",
    "available_cores",
    "backend",
    "cache_folder",
    "damaged_files",
    "die_with_parent",
    "give_back_freed",
    "kernels",
    "memory",
    "open_blas",
    "prepare_for_mlx",
    "symbol_owner",
    "unfinished_files",
]
