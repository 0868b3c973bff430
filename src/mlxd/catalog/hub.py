"""The Hugging Face cache, read as its own library lays it out, without that library.

models--org--name/
    refs/main                   the commit that the branch pointed at when it was last asked
    snapshots/<commit>/file     a link into blobs
    blobs/<hash>                the content
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

WEIGHTS = (".safetensors", ".bin", ".gguf", ".pt", ".pth", ".npz")
MAIN = "main"


class Revision(msgspec.Struct, frozen=True):
    """One snapshot of a repository in the cache."""

    commit: str
    path: Path
    refs: list[str] = []


def hub_cache() -> Path:
    """Hugging Face's own rules for where its cache lies."""
    if explicit := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return _expanded(explicit)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{base}/huggingface"
    return _expanded(home) / "hub"


def _expanded(path: str) -> Path:
    return Path(os.path.expandvars(path)).expanduser()


def repository(hub: str) -> Path:
    return hub_cache() / ("models--" + hub.replace("/", "--"))


def snapshot(hub: str) -> Path | None:
    """The folder that the hub's main branch points at, or else the newest one there is."""
    found = revisions(hub)
    return found[0].path if found else None


def revisions(hub: str) -> list[Revision]:
    """All that are here: the one of `main` first, then the newest."""
    folder = repository(hub)
    refs = _refs(folder / "refs")
    try:
        commits = [
            (entry.stat().st_mtime, entry.name)
            for entry in os.scandir(folder / "snapshots")
            if entry.is_dir()
        ]
    except (OSError, ValueError):  # ValueError for a name with a null character in it
        return []
    order = sorted(commits, key=lambda one: (refs.get(MAIN) == one[1], one[0]), reverse=True)
    return [
        Revision(
            commit,
            (folder / "snapshots" / commit).resolve(),
            sorted(name for name, at in refs.items() if at == commit),
        )
        for _, commit in order
    ]


def _refs(folder: Path) -> dict[str, str]:
    """The commit of each branch and tag; names may have slashes in them, as refs/pr/1 has."""
    found: dict[str, str] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            file = Path(place, name)
            try:
                found[file.relative_to(folder).as_posix()] = file.read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError):
                continue
    return found


def cached_hub_ids() -> Iterator[str]:
    """Repositories in the cache that hold, or were meant to hold, a model."""
    try:
        folders = sorted(hub_cache().glob("models--*--*"))
    except OSError:
        return
    for folder in folders:
        hub = hub_id_of(folder.name)
        if any(_looks_like_a_model(revision.path) for revision in revisions(hub)):
            yield hub


def unfinished() -> Iterator[tuple[str, int]]:
    """Repositories of which something has come and nothing can be used: downloads that go on, or
    that have ended too early, with what is here of them in bytes."""
    try:
        folders = sorted(hub_cache().glob("models--*--*"))
    except OSError:
        return
    for folder in folders:
        hub = hub_id_of(folder.name)
        if not _closed(folder) and not revisions(hub) and (size := _size(folder / "blobs")):
            yield hub, size


def closed() -> Iterator[tuple[str, Path, str]]:
    """Repositories that this user may not look into: the name, the folder, and why."""
    for folder in sorted(hub_cache().glob("models--*--*")):
        if why := _closed(folder):
            yield hub_id_of(folder.name), folder / "snapshots", why


def _closed(folder: Path) -> str:
    try:
        os.scandir(folder / "snapshots").close()
    except PermissionError as error:
        return error.strerror or "no permission"
    except OSError:
        return ""
    return ""


def _size(folder: Path) -> int:
    try:
        return sum(entry.stat().st_size for entry in os.scandir(folder))
    except OSError:
        return 0


def hub_id_of(folder_name: str) -> str:
    return "/".join(folder_name.removeprefix("models--").split("--"))


def _looks_like_a_model(folder: Path) -> bool:
    """A configuration or weights: a repository from which only a tokenizer was fetched is none."""
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except OSError:
        return False
    return "config.json" in names or any(name.endswith(WEIGHTS) for name in names)


def hub_id_of_snapshot(path: Path) -> str | None:
    """`.../models--org--name/snapshots/<commit>` is the hub's model, not a folder of its own."""
    name = path.parent.parent.name
    if path.parent.name != "snapshots" or not name.startswith("models--"):
        return None
    hub = hub_id_of(name)
    return hub if any(one.path == path for one in revisions(hub)) else None
