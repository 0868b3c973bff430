"""The temporary folder: written to, and run from."""

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from ..finding import Case, Finding, fail, ok, warn
from ..hints import is_read_only, quoted, shown, temporary_elsewhere

TITLE = "Temporary folder"
WHY = "MLX builds kernels there and loads them from there; downloads and images pass through it."

LEAST = 100_000_000


def look(case: Case) -> Finding:
    asked = case.environ.get("TMPDIR")
    make = temporary_elsewhere()
    if asked and not Path(asked).is_dir():
        return fail(f"TMPDIR is {asked}, and there is no such folder", quoted("mkdir", "-p", asked))
    try:
        folder = Path(asked or tempfile.gettempdir())
        with tempfile.TemporaryDirectory(dir=folder, prefix="mlxd-doctor-") as made:
            runs = _runs(Path(made))
    except OSError as error:
        told = f"{asked or 'no temporary folder'} can't be written: {error.strerror or error}"
        allow = asked and error.errno == errno.EACCES and not is_read_only(Path(asked))
        return fail(told, *([quoted("chmod", "u+rwx", asked)] if asked and allow else []), make)
    free = shutil.disk_usage(folder).free
    found = f"{folder}, {shown(free)} free"
    facts = {"path": str(folder), "free": free, "executable": runs}
    if free < LEAST:
        return fail(f"{found}: full", quoted("du", "-sh", folder), make, **facts)
    if not runs:
        return warn(f"{found}: nothing may be run from it (noexec)", make, **facts)
    return ok(found, **facts)


def _runs(folder: Path) -> bool:
    script = folder / "run"
    script.write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
    script.chmod(stat.S_IRWXU)
    if sys.platform == "linux" and os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return False
    try:
        return subprocess.run([str(script)], timeout=10).returncode == 0
    except PermissionError:
        return False
    except (OSError, subprocess.TimeoutExpired):
        # No shell, or a machine too busy: that says nothing of the folder.
        return True
