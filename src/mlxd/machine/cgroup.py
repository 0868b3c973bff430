"""Where this process's limits stand in the cgroup file system, version 1 or 2."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def _folders(mount: Path, path: str) -> Iterator[Path]:
    """The group's own folder and every one above it: each of them can hold a tighter limit.

    Inside a container the path may be the host's and not exist here; the mount itself then shows
    the container's own group.
    """
    group = mount / path.strip("/")
    while group != mount:
        if group.is_dir():
            yield group
        group = group.parent
    yield mount


def groups(controller: str) -> Iterator[tuple[int, Path]]:
    """(cgroup version, folder) of each group that limits this process's use of `controller`."""
    try:
        lines = MEMBERSHIP.read_text().splitlines()
    except OSError:
        return  # no cgroups here: macOS, or a kernel without them
    for line in lines:
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if not names:
            unified = ROOT / "unified"
            mount = unified if unified.is_dir() else ROOT
            yield from ((2, folder) for folder in _folders(mount, path))
        elif controller in names.split(","):
            for mount in (ROOT / controller, ROOT / names):
                if mount.is_dir():
                    yield from ((1, folder) for folder in _folders(mount, path))
                    break


def number(file: Path) -> int | None:
    """A limit or a reading; None where there is none ("max", no such file)."""
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.lstrip("-").isdigit() else None
