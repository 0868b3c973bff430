"""Whether MLX can build its run-time kernels: one is really built, in a cache that is empty."""

import sys
import tempfile
from typing import Any

from ..finding import Case, Finding, ok, warn
from ..hints import compiler_off_path, install_compiler, temporary_elsewhere

TITLE = "Kernel compiler"
WHY = (
    "Libraries on MLX build fused kernels while they answer. Where that fails, it does so in the "
    "middle of an answer, and some hide it: the answer is empty. mlxd itself switches it off on "
    "a CPU; other programs in this environment may not."
)

NOT_LOADED = ("failed to map segment", "Could not load C++ shared library")


def probe() -> dict[str, Any]:
    import os

    # mlxd's engines run without it; other programs on this machine do not.
    os.environ.pop("MLX_DISABLE_COMPILE", None)
    from pathlib import Path

    import mlx.core as mx

    from mlxd.machine import backend

    @mx.compile
    def fused(x: Any, y: Any) -> Any:
        return mx.exp(x) * y + mx.tanh(x - y) * x

    x, y = mx.arange(8, dtype=mx.float32) / 8, mx.ones(8)
    made, plain = fused(x, y), mx.exp(x) * y + mx.tanh(x - y) * x
    mx.eval(made, plain)
    built = [*Path(os.environ["TMPDIR"]).rglob("*.so")] if sys.platform == "linux" else []
    right = bool(mx.allclose(made, plain).item())
    return {"right": right, "built": len(built), "backend": backend()}


def look(case: Case) -> Finding:
    with tempfile.TemporaryDirectory(prefix="mlxd-doctor-") as empty:
        answer = case.ask("compiler:probe", limit_s=90, TMPDIR=empty)
    found = answer.value or {}
    if found.get("right") and (found["built"] or found["backend"] != "cpu"):
        return ok("a fused kernel was built in an empty folder, and run", **found)
    if found.get("right"):
        told = "there is no working g++, so MLX goes without fused kernels"
    else:
        told = "MLX can't build a kernel: " + _reason(answer.failure or "the result was wrong")
    facts = {**found, "output": answer.failure}
    if any(words in answer.failure for words in NOT_LOADED):
        # It was built, and lies where nothing may be run from.
        return warn(told, temporary_elsewhere(), **facts)
    if folder := compiler_off_path(case.environ):
        return warn(f"{told}; there is one in {folder}", f"export PATH=$PATH:{folder}", **facts)
    return warn(told, install_compiler(), "export MLX_DISABLE_COMPILE=1", **facts)


def _reason(text: str) -> str:
    """What the compiler said, without the names that MLX makes of a whole expression."""
    marked = text.rpartition("the output is:")[2].strip() or text
    lines = [line.strip() for line in marked.splitlines() if line.strip()]
    return (lines[0] if lines else text)[:200]
