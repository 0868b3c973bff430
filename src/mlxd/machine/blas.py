"""An optimised BLAS under MLX on Linux CPUs.

The mlx-cpu wheel links a reference BLAS. A library opened with RTLD_GLOBAL before libmlx is
loaded comes first when libmlx's symbols are bound, so that it replaces the reference for good.
"""

import ctypes
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from .bundled import bundled_library
from .cores import available_cores
from .kept import CannotMake
from .products import MAX_THREADS, open_kernels

# What libmlx calls for every float32 matrix product.
GEMM = "cblas_sgemm"

# Sonames, best first, each with a symbol that only this implementation has. libblas.so.3 is not
# here: that name may be Netlib's reference as well as anything else.
SYSTEM = (
    ("OpenBLAS", "libopenblas.so.0", "openblas_get_config"),
    ("OpenBLAS", "libopenblas.so", "openblas_get_config"),
    ("BLIS", "libblis.so.4", "bli_info_get_version_str"),
    ("BLIS", "libblis-mt.so.4", "bli_info_get_version_str"),
    ("MKL", "libmkl_rt.so.2", "mkl_get_max_threads"),
)
MARKS = {mark: name for name, _, mark in SYSTEM}


@dataclass(frozen=True)
class Blas:
    """What MLX's matrix products go through. `path` None: MLX's own reference."""

    name: str
    path: str | None
    origin: str
    threads: int = 1
    kernels: str = ""

    @property
    def optimised(self) -> bool:
        return self.path is not None

    @property
    def note(self) -> str:
        if self.path is None:
            return f"BLAS: MLX's own reference, slow on this machine ({self.origin})"
        cores = "1 core" if self.threads == 1 else f"{self.threads} cores"
        return f"BLAS: {self.name} on {cores}, {self.origin} ({self.path}); {self.kernels}"


class _Info(ctypes.Structure):
    _fields_ = [
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("symbol", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    ]


def symbol_owner(symbol: str, library: ctypes.CDLL | None = None) -> str | None:
    """The file whose `symbol` the next library to be loaded will get (or that `library` has)."""
    scope = library or ctypes.CDLL(None)
    try:
        address = ctypes.cast(getattr(scope, symbol), ctypes.c_void_p)
    except AttributeError:
        return None
    info = _Info()
    dladdr = ctypes.CDLL(None).dladdr
    dladdr.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Info)]
    if not dladdr(address, ctypes.byref(info)) or not info.file:
        return None
    return os.fsdecode(info.file)


def _recognise(library: ctypes.CDLL) -> str | None:
    """The implementation's name, if this is an optimised BLAS with what MLX needs."""
    if not hasattr(library, GEMM):
        return None
    return next((name for mark, name in MARKS.items() if hasattr(library, mark)), None)


def _limit_threads(name: str, library: ctypes.CDLL, threads: int) -> None:
    if name == "OpenBLAS":
        library.openblas_set_num_threads(threads)
    elif name == "BLIS":
        library.bli_thread_set_num_threads(ctypes.c_int64(threads))
    elif name == "MKL":
        library.MKL_Set_Num_Threads(threads)


@dataclass(frozen=True)
class _Threads:
    """For what is multiplied in all, and for a BLAS that has to share it out by itself."""

    ours: int
    alone: int

    @classmethod
    def choose(cls) -> "_Threads":
        # OpenBLAS reads it while it is loaded; what is set there stands.
        asked = os.environ.get("OPENBLAS_NUM_THREADS", "")
        if asked.isdigit() and int(asked):
            return cls(int(asked), int(asked))
        cores = available_cores()
        os.environ["OPENBLAS_NUM_THREADS"] = str(cores)
        # In each product a BLAS waits for all of its threads, also for one whose core the gateway
        # or a client has just taken.
        return cls(cores, max(1, cores - 1))


def _open(path: str, origin: str, threads: _Threads) -> Blas:
    """Open for everyone; OSError with the reason when it can't be used."""
    # Looked at in private first: a rejected library must not stay in everyone's way.
    private = ctypes.CDLL(path, mode=os.RTLD_LOCAL | os.RTLD_NOW)
    name = _recognise(private)
    if name is None:
        raise OSError(f"{path} is no optimised BLAS: it has no {GEMM}, or it is not known")
    own, taken = symbol_owner(GEMM, private), symbol_owner(GEMM)
    if own is None or taken not in (None, own):
        raise OSError(f"{GEMM} already comes from {taken}, loaded before {path}")
    failure = _put_kernels_before(private, threads.ours)
    # With ours in front, they share the cores out, and do not wait for one that another has.
    shared = failure is None and threads.ours <= MAX_THREADS
    _limit_threads(name, private, 1 if shared else threads.alone)
    ctypes.CDLL(path, mode=os.RTLD_GLOBAL | os.RTLD_NOW)
    if failure:
        told = f"without mlxd's own products, so decoding is slower: {failure}"
        return Blas(name, own, origin, threads.alone, told)
    told = "mlxd's own products for few rows and packed weights"
    return Blas(name, own, origin, threads.ours, told)


def _put_kernels_before(blas: ctypes.CDLL, threads: int) -> Exception | None:
    gemm = ctypes.cast(blas.cblas_sgemm, ctypes.c_void_p).value
    assert gemm is not None
    try:
        open_kernels(gemm, threads)
    except (CannotMake, OSError) as error:
        return error
    return None


def open_blas(setting: str = "auto") -> Blas:
    """Find an optimised BLAS and open it for MLX, which must not be loaded yet.

    `setting`: "auto", "off", or the path of a library. Where none can be had, MLX keeps its own
    and `origin` says why.
    """
    if sys.platform != "linux":
        return Blas("Accelerate", None, "comes with macOS")
    if setting == "off":
        return Blas("reference", None, "switched off by setting")
    threads = _Threads.choose()
    if setting != "auto":
        try:
            return _open(str(Path(setting).expanduser()), "chosen by setting", threads)
        except OSError as error:
            return Blas("reference", None, f"the BLAS set in the settings failed: {error}")
    for _, soname, _ in SYSTEM:
        try:
            return _open(soname, "found on this system", threads)
        except OSError:
            continue  # not installed, or not fit: the next one
    try:
        with bundled_library() as path:
            return _open(path, "brought by scipy-openblas32", threads)
    except (CannotMake, OSError) as error:
        return Blas("reference", None, str(error))
