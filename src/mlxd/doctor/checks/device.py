"""The device that MLX really computes on: a product is made there and compared."""

import sys
from typing import Any

from ..finding import Case, Finding, Status, fail, ok, warn
from ..hints import reinstall
from . import backends, versions

TITLE = "Device"
WHY = "An engine computes on this device. Where a product is wrong or crashes, no answer is right."

SIZE = 256


def probe(blas: str) -> dict[str, Any]:
    """Whole numbers small enough that float32 holds every sum exactly."""
    from mlxd.machine import backend, prepare_for_mlx

    notes = prepare_for_mlx(blas)
    import mlx.core as mx

    left = [[(3 * i + 5 * j) % 17 - 8 for j in range(SIZE)] for i in range(SIZE)]
    right = [[(7 * i + 2 * j) % 13 - 6 for j in range(SIZE)] for i in range(SIZE)]
    made = mx.array(left, mx.float32) @ mx.array(right, mx.float32)
    mx.eval(made)
    rows = (0, 1, SIZE // 2, SIZE - 1)
    columns = list(zip(*right, strict=True))
    wrong = [
        i
        for i in rows
        if [sum(a * b for a, b in zip(left[i], c, strict=True)) for c in columns]
        != made[i].tolist()
    ]
    return {
        "backend": backend(),
        "device": str(mx.default_device()),
        "wrong_rows": wrong,
        "notes": notes,
        "mlx": str(getattr(mx, "__version__", "")),
    }


def look(case: Case) -> Finding:
    answer = case.ask("device:probe", {"blas": case.settings.engine.blas}, limit_s=60)
    if answer.value is None:
        last = answer.said.splitlines()[-1:] or [""]
        told = answer.failure if last[0] in answer.failure else f"{answer.failure}: {last[0]}"
        return fail(f"MLX can't multiply here: {told}", _again(case), output=answer.said)
    found = answer.value
    what = f"{found['backend']} ({found['device']}), MLX {found['mlx']}"
    if found["wrong_rows"]:
        return fail(f"{what}: a product came out wrong", _again(case), **found)
    if sys.platform == "darwin" and found["backend"] == "cpu":
        told = f"{what}: a product is right, and Metal is not used"
        return warn(told, "system_profiler SPDisplaysDataType", **found)
    return ok(f"{what}: a product is right", **found)


def _again(case: Case) -> str:
    """Where the backends are what is wrong, what mends them; else all of MLX as it was tested."""
    libraries = backends.look(case)
    if libraries.status is Status.FAIL and libraries.mend:
        return libraries.mend[0]
    names = ["mlx", *backends.there((*backends.CPU, *backends.CUDA, "mlx-metal"))]
    wanted = versions.tested().get("mlx")
    return reinstall(*(f"{name}=={wanted}" for name in names))
