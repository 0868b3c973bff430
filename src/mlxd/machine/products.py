"""Our own matrix products for a CPU: built from native/*.c where there is a compiler.

A BLAS is made for large matrices. For the few rows of a decode step it copies the whole weight
before it multiplies, and it knows float32 only. These read each weight once, in the bits that the
checkpoint has it in.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from .kept import CannotMake, kept_library

NATIVE = Path(__file__).with_name("native")
SOURCES = [str(NATIVE / name) for name in ("products.c", "kernels.c", "pool.c")]
# GCC's vector extensions are used; other compilers have only a part of them.
COMPILER = "gcc"
# No -ffast-math: with it GCC changes how the whole process treats tiny numbers.
FLAGS = (
    "-std=gnu11",
    "-O2",
    "-march=native",
    "-fPIC",
    "-shared",
    "-pthread",
    "-fvisibility=hidden",
)
# It takes 2.5 s on a quiet core; a start must not hang on a broken compiler, nor be taken for dead
# because of a slow one: an engine says nothing meanwhile, and has a minute for that.
TIMEOUT_S = 45.0
# How long a helper thread looks for more work before it sleeps. Between two products of a layer
# lie some tens of microseconds; spinning longer takes the core from the gateway and the client.
SPIN_US = 30
# For few rows memory bandwidth is used up well before. Where there are more cores, large products
# are left to the threads of the BLAS: there is one to spare for every other process.
MAX_THREADS = 16

KINDS = {"float32": 0, "bfloat16": 1, "float16": 2, "q2": 3, "q4": 4, "q8": 5, "fp4": 6}

# Of CBLAS: rows one after the other, the first matrix as it is and the second turned round.
_TURNED = (101, 111, 112)


@dataclass(frozen=True)
class Kernels:
    path: str
    library: ctypes.CDLL

    def register(
        self,
        key: int,
        shape: tuple[int, int],
        kind: str,
        group: int,
        data: int,
        scales: int | None = None,
        biases: int | None = None,
    ) -> None:
        """From now on a product with the weight at address `key` uses `data` in its place.

        The caller keeps all of them alive, and unregisters before `key` is freed.
        """
        arguments = (key, *shape, KINDS[kind], group, data, scales, biases)
        if self.library.mlxd_register(*arguments):
            raise MemoryError("no memory for the table of weights")

    def unregister(self, key: int) -> None:
        self.library.mlxd_unregister(key)

    def multiply(self, rows: int, weight: int, to: int, sizes: tuple[int, int, int]) -> None:
        """What MLX asks for when it multiplies with a transposed weight. All three are addresses;
        `sizes`: how many rows, what is made of each, and what each has."""
        _, outputs, inputs = sizes
        product = self.library.cblas_sgemm
        product(*_TURNED, *sizes, 1.0, rows, inputs, weight, inputs, 0.0, to, outputs)


_opened: Kernels | None = None


def kernels() -> Kernels | None:
    """What `open_kernels` opened in this process."""
    return _opened


@cache
def _cpu() -> str:
    """What -march=native looks at."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    wanted = ("flags", "Features", "model name", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)}))


def _build(compiler: str, target: Path) -> None:
    command = [compiler, *FLAGS, *SOURCES, "-o", str(target)]
    # A file and no pipe, which what a compiler starts would hold open when it is ended.
    with target.with_suffix(".said").open("w+b") as said:
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=TIMEOUT_S
            )
        except subprocess.TimeoutExpired as error:
            # Elsewhere it would take as long.
            told = f"{compiler} was not done with mlxd's own products after {TIMEOUT_S:g} s"
            raise CannotMake(told) from error
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines() or ["no message"]
    if done.returncode:
        raise CannotMake(f"{compiler} can't build mlxd's own products: {lines[0]}")


def open_kernels(blas_gemm: int, threads: int) -> Kernels:
    """Open for everyone, in front of the BLAS whose cblas_sgemm is at `blas_gemm`.

    CannotMake or OSError with the reason where that is not possible.
    """
    global _opened
    compiler = shutil.which(COMPILER)
    if compiler is None:
        raise CannotMake(f"there is no {COMPILER} on PATH")
    key = hashlib.sha256()
    for file in sorted(NATIVE.glob("*.[ch]")):
        key.update(file.read_bytes())
    key.update(f"{compiler} {FLAGS} {_cpu()}".encode())
    name = f"libmlxd-products-{key.hexdigest()[:16]}.so"
    with kept_library(name, partial(_build, compiler)) as path:
        library = ctypes.CDLL(path, mode=os.RTLD_GLOBAL | os.RTLD_NOW)
    pointer, number = ctypes.c_void_p, ctypes.c_int
    library.mlxd_start.argtypes = [pointer, number, ctypes.c_long, number]
    library.mlxd_register.argtypes = [pointer, *[number] * 4, *[pointer] * 3]
    library.mlxd_unregister.argtypes = [pointer]
    real, matrix = ctypes.c_float, (pointer, number)
    library.cblas_sgemm.argtypes = [*[number] * 6, real, *matrix, *matrix, real, *matrix]
    # Until this, its cblas_sgemm has nothing behind it; nobody calls it, MLX is not loaded.
    if library.mlxd_start(blas_gemm, min(threads, MAX_THREADS), SPIN_US, threads <= MAX_THREADS):
        raise CannotMake("no helper thread could be started")
    _opened = Kernels(path, library)
    return _opened
