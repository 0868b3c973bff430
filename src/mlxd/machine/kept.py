"""Files that are made once on a machine and kept in the user's cache folder."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

DIGEST = hashlib.sha256
DIGEST_BYTES = DIGEST().digest_size

Make = Callable[[Path], None]


class CannotMake(RuntimeError):
    """Why a file can't be had, in words."""


def cache_folder() -> Path:
    return platformdirs.user_cache_path("mlxd") / "native"


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


def _make(target: Path, make: Make) -> None:
    """Whole or not at all, however many processes do it at once: the last one's file stays."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="making-") as folder:
        made = Path(folder, target.name)
        make(made)
        _seal(made)
        os.replace(made, target)


@contextmanager
def kept_library(name: str, make: Make) -> Iterator[str]:
    """A path to open the shared library `name` by; it need not outlive the block.

    Where the cache folder can't be used, it is made anew in a temporary folder. A file that was
    damaged is made again.
    """
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / name
        if not _is_whole(kept):
            _make(kept, make)
    except (OSError, subprocess.SubprocessError) as error:
        reasons = [f"the cache folder can't be used: {error}"]
    else:
        yield str(kept)
        return
    for place in (None, "/dev/shm"):
        try:
            folder = Path(tempfile.mkdtemp(prefix="mlxd-", dir=place))
        except OSError as error:
            reasons.append(str(error))
            continue
        try:
            _make(folder / name, make)
        except (OSError, subprocess.SubprocessError) as error:
            reasons.append(str(error))
        else:
            yield str(folder / name)
            return
        finally:
            with suppress(OSError):
                shutil.rmtree(folder)
    raise CannotMake("; ".join(reasons))


def damaged_files() -> list[Path]:
    """Kept libraries whose bytes are not those that were written."""
    return [file for file in sorted(cache_folder().glob("lib*.so")) if not _is_whole(file)]


def unfinished_files(before: float) -> list[Path]:
    """What a process that was killed has left of its making. `before`: seconds since 1970."""
    found = []
    for folder in cache_folder().glob("making-*"):
        try:
            if folder.stat().st_mtime < before:
                found.append(folder)
        except FileNotFoundError:
            continue  # it was being made, and is done
    return sorted(found)
