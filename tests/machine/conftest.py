import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., str]


@pytest.fixture
def python(tmp_path: Path) -> Run:
    """Run a script in a fresh interpreter, with a cache folder of its own; gives what it prints."""

    def run(script: str, *, timeout: float = 300, **env: str) -> str:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("MLX", "OPENBLAS"))}
        clean |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)} | env
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=clean,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
