"""What is on the disk against what the service has: which files are new, changed or gone."""

import hashlib
import os
import socket
import stat
from collections.abc import Mapping, Sequence
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


# Device and number: of another disk that is mounted there, or no longer, both are others.
Identity = tuple[int, int]


class Look(NamedTuple):
    """What is there, in the order in which it was named.

    `closed`: folders that can't be read, and why; what is in them is not known to be gone.
    `filled` and `bare`: folders with something in them, and those with nothing at all, as the place
    of a disk that is not mounted has. `stamps`: what is another as soon as anything changes.
    """

    files: list[Found]
    closed: dict[Path, str]
    filled: dict[Path, Identity]
    bare: dict[Path, Identity]
    stamps: dict[str, Stamp | str]


def look(paths: Sequence[Path], suffixes: Sequence[str]) -> Look:
    """Files as they are named, and those of folders that can be read."""
    made = Look([], {}, {}, {}, {})
    for path in paths:
        whole = path.expanduser().absolute()
        try:
            mode = whole.stat().st_mode
        except FileNotFoundError:
            raise Complaint(f"There is no file or folder {path}.") from None
        except OSError as error:
            raise Complaint(f"{path} can't be read: {error.strerror}.") from error
        if stat.S_ISDIR(mode):
            _below(whole, tuple(suffixes), made)
        elif stat.S_ISREG(mode):
            made.files.append(Found(whole, source_of(whole)))
        else:
            raise Complaint(f"{path} is neither a file nor a folder.")
    files = list(dict.fromkeys(made.files))
    closed = {source_of(one): why for one, why in made.closed.items()}
    return made._replace(files=files, stamps={**_stamps(files), **closed})


def _below(folder: Path, suffixes: tuple[str, ...], made: Look) -> None:
    """Without hidden ones, links and what is no file, in a fixed order: a pipe would be waited at
    for ever."""

    def closed(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # gone meanwhile
            made.closed[Path(error.filename)] = str(error.strerror)

    for where, folders, names in os.walk(folder, onerror=closed):
        seen = Path(where)
        try:
            (made.filled if folders or names else made.bare)[seen] = _identity(seen)
        except FileNotFoundError:
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(where, name)
            if not name.lower().endswith(suffixes) or name[0] == ".":
                continue
            try:
                if stat.S_ISREG(path.lstat().st_mode):
                    made.files.append(Found(path, source_of(path)))
            except FileNotFoundError:
                continue
            except OSError as error:
                made.closed[seen] = str(error.strerror)


def _identity(folder: Path) -> Identity:
    there = folder.stat()
    return there.st_dev, there.st_ino


def _stamps(files: Sequence[Found]) -> dict[str, Stamp]:
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


class Gone(NamedTuple):
    """Documents whose file is not there any more; and folders that are empty, with how many
    documents stay that came from there."""

    documents: list[Mapping[str, Any]]
    doubted: dict[Path, int]


def gone(
    paths: Sequence[Path],
    seen: Look,
    known: Mapping[str, Mapping[str, Any]],
    before: Look | None = None,
) -> Gone:
    """That a folder is empty now is believed of one that was seen with something in it: the same
    one, `before`. Otherwise it may as well be the place of a disk that is not mounted."""
    folders = [path.expanduser().absolute() for path in paths if path.expanduser().is_dir()]
    there = {one.source for one in seen.files}
    missing = [
        (source, document)
        for source, document in known.items()
        if source not in there
        and any(_is_below(source, folder) for folder in folders)
        and not any(_is_below(source, folder) for folder in seen.closed)
    ]
    emptied = before.filled if before else {}
    doubtful = [one for one, identity in seen.bare.items() if emptied.get(one) != identity]
    stay = {one: sum(_is_below(source, one) for source, _ in missing) for one in doubtful}
    left = [
        document
        for source, document in missing
        if not any(_is_below(source, one) for one in doubtful)
    ]
    return Gone(left, {one: count for one, count in stay.items() if count})


def _is_below(source: str, folder: Path) -> bool:
    return source.startswith(source_of(folder).rstrip("/") + "/")
