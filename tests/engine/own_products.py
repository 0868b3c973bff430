"""A file of tests once more, in a process that multiplies by mlxd's own products."""

import shutil
import subprocess
import sys

import pytest

PATIENCE_S = 280.0
RERUN = """
import sys
from mlxd.machine import prepare_for_mlx
prepare_for_mlx()
from mlxd.engine.experts import PackedExperts
from mlxd.engine.packed import usable
assert usable()
import pytest
# mlxd is imported before pytest on purpose, and it brings a plugin that pytest would rewrite.
early = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
options = ["-k", "not own_products", "-p", "no:cacheprovider", *early]
raise SystemExit(pytest.main([*options, sys.argv[1]]))
"""
NOT_LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason="our own products are for Linux CPUs"
)
NO_COMPILER = pytest.mark.skipif(shutil.which("gcc") is None, reason="they are built with gcc")


def rerun(file: str) -> None:
    command = [sys.executable, "-c", RERUN, file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout
