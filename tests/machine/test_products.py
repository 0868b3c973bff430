"""The products that stand in front of the BLAS: used where they can be built, never in the way."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .conftest import Run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="macOS brings Accelerate")

OPEN = """
from mlxd.machine import kernels, prepare_for_mlx, products
# A start does not wait so long for a compiler; that one is slow here is no matter of these tests.
products.TIMEOUT_S = 280.0
print(prepare_for_mlx()[0])
found = kernels()
"""
# Against float64 on numpy, over shapes with every remainder and every number of rows.
SWEEP = """
import mlx.core as mx
import numpy as np
rng = np.random.default_rng(0)
for m in (*range(1, 20), 40):
    for n, k in ((1, 16), (7, 48), (16, 64), (130, 208), (1030, 96), (33, 17), (600, 1024)):
        a = rng.standard_normal((m, k), dtype=np.float32)
        b = rng.standard_normal((n, k), dtype=np.float32)
        got = np.array(mx.array(a) @ mx.array(b).T)
        want = a.astype(np.float64) @ b.T.astype(np.float64)
        assert np.abs(got - want).max() < 1e-5 * k, (m, n, k)
        got = np.array(mx.array(a) @ mx.array(np.ascontiguousarray(b.T)))
        assert np.abs(got - want).max() < 1e-5 * k, (m, n, k)
print("same")
"""


def test_products_of_every_shape_are_right(python: Run) -> None:
    assert python(OPEN + "assert found\n" + SWEEP).endswith("same")


def test_no_compiler_is_said_and_mlx_goes_on(python: Run) -> None:
    out = python(OPEN + "assert found is None\n" + SWEEP, PATH="/nowhere")
    assert "there is no gcc on PATH" in out
    assert out.endswith("same")


def test_a_broken_compiler_is_said(python: Run, tmp_path: Path) -> None:
    gcc = tmp_path / "bin" / "gcc"
    gcc.parent.mkdir()
    gcc.write_text("#!/bin/sh\necho 'no such header' >&2\nexit 1\n")
    gcc.chmod(0o755)
    out = python(OPEN + "assert found is None\n" + SWEEP, PATH=str(gcc.parent))
    assert "no such header" in out
    assert out.endswith("same")


def test_a_compiler_that_takes_for_ever_is_given_up_once(python: Run, tmp_path: Path) -> None:
    gcc = tmp_path / "bin" / "gcc"
    gcc.parent.mkdir()
    # As gcc does: what it starts itself goes on when it is ended.
    gcc.write_text(
        f"#!/bin/sh\necho . >> {tmp_path}/begun\n/bin/sleep 600 &\necho $! > {tmp_path}/it\nwait\n"
    )
    gcc.chmod(0o755)
    soon = OPEN.replace("280.0", "5.0")
    try:
        out = python(soon + "assert found is None", PATH=str(gcc.parent))
    finally:
        os.kill(int((tmp_path / "it").read_text()), signal.SIGKILL)
    assert "was not done with mlxd's own products after 5 s" in out
    assert (tmp_path / "begun").read_text() == ".\n"


def test_the_second_start_needs_no_compiler_run(python: Run, tmp_path: Path) -> None:
    python(OPEN)
    (built,) = (tmp_path / "cache" / "mlxd" / "native").glob("libmlxd-products-*.so")
    before = built.stat()
    python(OPEN)
    assert built.stat().st_mtime_ns == before.st_mtime_ns


def test_products_from_two_threads_at_once(python: Run) -> None:
    script = """
import threading
import mlx.core as mx
a, b = mx.random.normal((3, 512)), mx.random.normal((2000, 512))
mx.eval(a, b)
want = (a[:, None] * b[None]).sum(-1)
mx.eval(want)
wrong = []
def work():
    with mx.stream(mx.new_thread_unsafe_stream(mx.cpu)):
        for _ in range(200):
            if not mx.allclose(a @ b.T, want, atol=1e-3).item():
                wrong.append(1)
threads = [threading.Thread(target=work) for _ in range(3)]
[t.start() for t in threads]
[t.join() for t in threads]
print(len(wrong))
"""
    assert python(OPEN + script).splitlines()[-1] == "0"


def test_builds_at_the_same_time_leave_one_file(python: Run, tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: python(OPEN + "assert found"), range(2)))
    kept = tmp_path / "cache" / "mlxd" / "native"
    assert len(list(kept.glob("libmlxd-products-*"))) == 1
    assert not list(kept.glob("making-*"))
