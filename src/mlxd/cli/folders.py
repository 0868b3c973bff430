"""What is on the disk against what the service has: which files are new, changed or gone."""

import hashlib
import os
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from .complaint import Complaint

_CHUNK = 1024 * 1024


class Found(NamedTuple):
    path: Path
    source: str


class Stamp(NamedTuple):
    """What changes when a file does, as far as can be seen without reading it."""

    modified: int
    size: int
    inode: int


def source_of(path: Path) -> str:
    """RFC 8089. The machine belongs to it: two of them may have a file at the same place."""
    return f"file://{socket.gethostname()}{quote(os.fsencode(path))}"


def found(paths: Sequence[Path], suffixes: Sequence[str]) -> list[Found]:
    """Files as they are named, and those of folders that can be read."""
    made = []
    for path in paths:
        whole = path.expanduser().absolute()
        if whole.is_dir():
            made += [Found(one, source_of(one)) for one in _below(whole, tuple(suffixes))]
        elif whole.is_file():
            made.append(Found(whole, source_of(whole)))
        elif whole.exists():
            raise Complaint(f"{path} is neither a file nor a folder.")
        else:
            raise Complaint(f"There is no file or folder {path}.")
    return list(dict.fromkeys(made))


def _below(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Without hidden ones, links and what is no file, in a fixed order: a pipe would be waited at
    for ever."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(where, name)
            if name.lower().endswith(suffixes) and name[0] != "." and _is_file(path):
                yield path


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:  # gone meanwhile
        return False


def stamps(files: Sequence[Found]) -> dict[str, Stamp]:
    made = {}
    for one in files:
        try:
            seen = one.path.stat()
        except OSError:
            continue
        made[one.source] = Stamp(seen.st_mtime_ns, seen.st_size, seen.st_ino)
    return made


def revision(path: Path) -> str:
    """As the service names it: the start of the content's hash."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def is_known(one: Found, known: Mapping[str, Mapping[str, Any]]) -> bool:
    """Not where it can't be read: whoever sends it then says why."""
    there = known.get(one.source)
    try:
        if there is None or there["bytes"] != one.path.stat().st_size or not there["revision"]:
            return False
        return revision(one.path).startswith(there["revision"])
    except OSError:
        return False


def gone(
    paths: Sequence[Path], files: Sequence[Found], known: Mapping[str, Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Documents of these folders whose file is not there any more."""
    folders = [path.expanduser().absolute() for path in paths if path.expanduser().is_dir()]
    there = {one.source for one in files}
    return [
        document
        for source, document in known.items()
        if source not in there
        and any(source.startswith(source_of(folder).rstrip("/") + "/") for folder in folders)
    ]
