"""The C++ compiler that MLX's CPU backend calls at run time for its fused kernels."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

# MLX runs exactly this name, found on PATH.
NAME = "g++"
# A working compiler needs a fraction of a second; a broken network mount must not hold the start.
TIMEOUT_S = 20.0


def find_compiler() -> str | None:
    return shutil.which(NAME)


def why_not_usable() -> str | None:
    """None when a kernel can be built and its folder can be used; else the reason in words.

    It builds a real library: a compiler without its headers or its linker answers to its name.
    """
    compiler = find_compiler()
    if compiler is None:
        return f"there is no {NAME} on PATH"
    try:
        with tempfile.TemporaryDirectory(prefix="mlxd-") as folder:
            source = Path(folder, "probe.cpp")
            source.write_text("#include <cmath>\nfloat probe(float x) { return std::exp(x); }\n")
            built = Path(folder, "probe.so")
            done = subprocess.run(
                [compiler, "-std=c++17", "-fPIC", "-shared", str(source), "-o", str(built)],
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
            )
            if done.returncode or not built.exists():
                lines = done.stderr.strip().splitlines() or ["no message"]
                return f"{compiler} can't build a library: {lines[0]}"
            if not _can_be_loaded(built):
                return f"libraries in {tempfile.gettempdir()} can't be loaded (mounted noexec?)"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"building with {compiler} failed: {error}"
    return None


def _can_be_loaded(library: Path) -> bool:
    import ctypes

    try:
        ctypes.CDLL(str(library), mode=os.RTLD_LOCAL | os.RTLD_NOW)
    except OSError:
        return False
    return True
