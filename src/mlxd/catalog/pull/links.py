"""The snapshot of a commit: names that lead to blobs, and the branch that leads to it."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mlxd.catalog import hub

from . import places, trouble
from .remote import REVISION, RemoteFile


def place(hub_id: str, commit: str, files: Sequence[RemoteFile]) -> Path:
    """Whole or not visible: the branch is moved once every name is there."""
    repository, blobs = hub.repository(hub_id), places.blobs(hub_id)
    folder = repository / "snapshots" / commit
    placed = [(folder / file.name, blobs / file.blob) for file in files]
    for parent in {name.parent for name, _ in placed}:
        parent.mkdir(parents=True, exist_ok=True)
    for name, blob in placed:
        if not _is_same(name, blob):
            _link(name, blob)
    for name, blob in placed:
        # A file system may take two names for one, of other case or with accents put otherwise.
        if not _is_same(name, blob):
            raise trouble.names_collide(name.name, folder)
    ref = repository / "refs" / REVISION
    ref.parent.mkdir(parents=True, exist_ok=True)
    fresh = ref.with_name(f"{REVISION}.{os.getpid()}")
    fresh.write_text(commit, encoding="utf-8")
    fresh.replace(ref)
    return folder


def check_names(files: Sequence[RemoteFile]) -> None:
    names = {file.name for file in files}
    for file in files:
        for above in PurePosixPath(file.name).parents:
            if str(above) in names:
                raise trouble.file_and_folder(str(above))


def _is_same(name: Path, blob: Path) -> bool:
    try:
        return name.samefile(blob)
    except OSError:
        return False


def _link(name: Path, blob: Path) -> None:
    fresh = name.with_name(f"{name.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    try:
        # Relative, so that the cache can be moved as a whole.
        fresh.symlink_to(os.path.relpath(blob, name.parent))
    except OSError:  # a file system without links
        shutil.copyfile(blob, fresh)
    fresh.replace(name)
