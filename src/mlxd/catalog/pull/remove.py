"""Removing what mlxd downloaded, and nothing else. What other tools put into the cache stays, and
so does every file that another revision needs."""

import contextlib
import os
from pathlib import Path

import msgspec

from mlxd.catalog import hub

from . import places, record


class Removal(msgspec.Struct, frozen=True):
    """`blobs` and `partials` would go, with `freed` bytes; `kept` names what stays and why."""

    hub_id: str
    blobs: list[Path]
    partials: list[Path]
    freed: int
    kept: list[str]

    @property
    def is_empty(self) -> bool:
        return not self.blobs and not self.partials


def plan(hub_id: str) -> Removal:
    """Nothing is touched yet."""
    known = record.read(hub_id)
    ours = {name for name, one in known.blobs.items() if one.ours}
    used: dict[str, set[str]] = {}
    for revision in hub.revisions(hub_id):
        for name in _blobs_of(revision.path):
            used.setdefault(name, set()).add(revision.commit)
    others = {
        name for name, commits in used.items() if any(one not in known.commits for one in commits)
    }
    going = [places.blobs(hub_id) / name for name in sorted(ours - others)]
    going = [path for path in going if path.exists()]
    partials = list(places.partials(hub_id))
    kept = []
    if shared := (ours & others):
        kept.append(f"{_files(len(shared))} that another revision uses")
    if foreign := (used.keys() - ours):
        kept.append(f"{_files(len(foreign))} that mlxd did not download")
    size = sum(path.stat().st_size for path in [*going, *partials])
    return Removal(hub_id, going, partials, size, kept)


def remove(removal: Removal) -> None:
    """Names first: a snapshot without a file is seen to be broken, one with a dead link may not be
    by others."""
    repository = hub.repository(removal.hub_id)
    gone = {path.name for path in removal.blobs}
    for name in _names(repository / "snapshots"):
        if name.is_symlink() and Path(os.readlink(name)).name in gone:
            name.unlink()
    for path in [*removal.blobs, *removal.partials]:
        path.unlink(missing_ok=True)
    known = record.read(removal.hub_id)
    for blob in gone:
        known.blobs.pop(blob, None)
    known.commits.clear()
    record.write(removal.hub_id, known)
    _tidy(repository)


def _tidy(repository: Path) -> None:
    """What is left empty goes too: folders, the branch of a snapshot that is gone, our record."""
    _prune(repository / "snapshots")
    for ref in _names(repository / "refs"):
        if not (repository / "snapshots" / ref.read_text("utf-8").strip()).exists():
            ref.unlink()
    _prune(repository / "refs")
    _prune(repository / "blobs")
    if not any((repository / name).exists() for name in ("snapshots", "blobs")):
        (repository / record.NAME).unlink(missing_ok=True)
        # Lists of files that Hugging Face's library keeps: of what, now that nothing is left?
        with contextlib.suppress(OSError):
            repository.rmdir()


def _prune(folder: Path) -> None:
    for place, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            Path(place).rmdir()


def _names(folder: Path) -> list[Path]:
    return [Path(place, name) for place, _, names in os.walk(folder) for name in names]


def _blobs_of(snapshot: Path) -> set[str]:
    return {Path(os.readlink(name)).name for name in _names(snapshot) if name.is_symlink()}


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"
