"""Whether the NVIDIA driver is new enough for the CUDA wheel, and the wheel is there."""

import ctypes
import importlib.metadata
import re
import sys
from typing import Any

from ..finding import Case, Finding, fail, ok, skipped, warn
from ..hints import install, uninstall
from .backends import CPU, CUDA, DRIVER_FILE, only, there

TITLE = "CUDA"
WHY = "A wheel for a newer CUDA than the driver knows can't start; without one, the GPU is unused."

_DRIVER = re.compile(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b")
# What the driver must know for the wheels that carry no number in their name.
NEWEST = 13


def probe() -> dict[str, Any]:
    """Asked of the driver's own library; it may crash where driver and kernel disagree."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return {"error": str(error)}
    version, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(version))
    code = cuda.cuInit(0)
    if code == 0:
        cuda.cuDeviceGetCount(ctypes.byref(count))
    return {"version": version.value, "init": code, "devices": count.value}


def look(case: Case) -> Finding:
    if sys.platform != "linux":
        return skipped("only on Linux")
    wheels = there(CUDA)
    card = DRIVER_FILE.exists()
    if not wheels and not card:
        return skipped("no NVIDIA driver, and no CUDA wheel")
    answer = case.ask("cuda:probe", limit_s=20)
    found = answer.value or {"error": answer.failure}
    driver = _driver()
    if not wheels:
        known = found.get("version", 0) // 1000
        wheel = f"mlx-cuda-{min(known, NEWEST)}" if known >= 12 else "mlx-cuda-12"
        told = f"NVIDIA driver {driver}, but no CUDA wheel: the GPU is not used"
        change = f"{uninstall([*there(CPU)])} && {install(_pinned(wheel))}"
        return warn(told, change, **found)
    name, version = next(iter(wheels.items()))
    told = f"driver {driver or 'unknown'}, {name} {version}"
    if "error" in found or found.get("init"):
        what = found.get("error") or f"cuInit answers {found['init']}"
        if not card:
            told = f"{name} {version}, and there is no NVIDIA driver: {what}"
            return fail(told, only(CPU[0]), **found)
        return fail(f"{told}: the driver can't be used ({what})", "nvidia-smi", **found)
    wanted, knows = _wanted(name), found["version"] // 1000
    told += f"; the driver knows CUDA {knows}.{found['version'] % 1000 // 10}"
    if knows < wanted:
        older = f"{uninstall([name])} && {install(_pinned(f'mlx-cuda-{knows}'))}"
        return fail(f"{told}, the wheel wants {wanted}", older, "nvidia-smi", **found)
    if not found["devices"]:
        return fail(f"{told}; it shows no GPU", "nvidia-smi -L", **found)
    return ok(f"{told}, {found['devices']} GPU", **found)


def _driver() -> str:
    try:
        match = _DRIVER.search(DRIVER_FILE.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
    return match[1] if match else ""


def _wanted(wheel: str) -> int:
    number = wheel.rpartition("-")[2]
    return int(number) if number.isdigit() else 12


def _pinned(wheel: str) -> str:
    try:
        return f"{wheel}=={importlib.metadata.version('mlx')}"
    except importlib.metadata.PackageNotFoundError:
        return wheel
