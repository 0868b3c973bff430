"""How much memory Metal lets a process use."""

import subprocess
import sys
from typing import Any

from ..finding import Case, Finding, ok, skipped, warn
from ..hints import as_root, ours, shown
from .memory import needed

TITLE = "Metal memory"
WHY = "Running out of it ends the engine's process at once; nothing can catch it."

_MACOS: bool = sys.platform == "darwin"


def probe() -> dict[str, Any]:
    import mlx.core as mx

    if not mx.metal.is_available():
        return {}
    return {key: value for key, value in mx.device_info().items() if isinstance(value, int | str)}


def look(case: Case) -> Finding:
    if not _MACOS:
        return skipped("only on macOS")
    answer = case.ask("metal:probe", limit_s=60)
    if not answer.value:
        return warn(f"Metal is not there: {answer.failure or 'MLX does not see it'}")
    info = answer.value
    limit = int(info.get("max_recommended_working_set_size", 0))
    wired = _wired_limit()
    found = f"{info.get('device_name', 'Metal')}: {shown(limit)} of working set"
    found += f", iogpu.wired_limit_mb is {wired or 'the default'}"
    need = needed(case)
    if need > limit:
        more = as_root(f"sysctl iogpu.wired_limit_mb={need // 10**6 + 2048}")
        told = f"{found}; the assigned models need {shown(need)}"
        return warn(told, ours("models", "ls"), more, **info)
    return ok(found, wired_limit_mb=wired, **info)


def _wired_limit() -> int:
    command = ["/usr/sbin/sysctl", "-n", "iogpu.wired_limit_mb"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return int(done.stdout) if done.stdout.strip().isdigit() else 0
