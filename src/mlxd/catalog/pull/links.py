"""The snapshot of a commit: names that lead to blobs, and the branch that leads to it."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from mlxd.catalog import hub

from . import places
from .remote import REVISION, RemoteFile


def place(hub_id: str, commit: str, files: Iterable[RemoteFile]) -> Path:
    """Whole or not visible: the branch is moved once every name is there."""
    folder = hub.repository(hub_id) / "snapshots" / commit
    for file in files:
        blob = places.blobs(hub_id) / file.blob
        name = folder / file.name
        name.parent.mkdir(parents=True, exist_ok=True)
        if not _is_same(name, blob):
            _link(name, blob)
    ref = hub.repository(hub_id) / "refs" / REVISION
    ref.parent.mkdir(parents=True, exist_ok=True)
    fresh = ref.with_name(f"{REVISION}.{os.getpid()}")
    fresh.write_text(commit, encoding="utf-8")
    fresh.replace(ref)
    return folder


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
