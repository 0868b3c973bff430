"""What a result must say about where it was measured, to be worth anything later."""

import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from time import monotonic
from typing import Any

import psutil
from rich.console import Console

PACKAGES = ("mlxd", "mlx", "mlx-cpu", "mlx-cuda-13", "mlx-cuda-12", "mlx-lm", "mlx-vlm")


# Above this share of the machine, what others do shows in the figures.
CALM_PERCENT = 10


def others(seconds: float = 1.0) -> float:
    """Percent of the machine that is in use while nothing of ours runs."""
    return float(psutil.cpu_percent(interval=seconds))


def wait_for_calm(limit: float) -> float:
    """Wait until others leave the machine alone, or `limit` seconds; what they use then."""
    deadline = monotonic() + limit
    while (used := others()) > CALM_PERCENT and monotonic() < deadline:
        pass
    return used


def console() -> Console:
    """For tables: wide enough for all columns also where the output goes to a file."""
    found = Console()
    return found if found.is_terminal else Console(width=160)


def describe() -> dict[str, Any]:
    return {
        "measured at": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory GiB": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
