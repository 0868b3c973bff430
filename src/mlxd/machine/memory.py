"""How much memory this process can really use."""

import ctypes
from dataclasses import dataclass
from pathlib import Path

import psutil

from . import cgroup

# cgroup v1 writes "no limit" as a number near 2**63.
NO_LIMIT = 1 << 60


@dataclass(frozen=True)
class Memory:
    """Bytes. `limit` says what sets `total`: the machine or the container."""

    total: int
    available: int
    limit: str = "machine"


def _stat(folder: Path, key: str) -> int:
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    values = dict(line.split(maxsplit=1) for line in lines if " " in line)
    return int(values.get(key, 0))


def memory() -> Memory:
    """What is there and what is free, within the container's limit if there is one."""
    machine = psutil.virtual_memory()
    found = Memory(machine.total, machine.available)
    for version, folder in cgroup.groups("memory"):
        if version == 2:
            limit = cgroup.number(folder / "memory.max")
            used = cgroup.number(folder / "memory.current")
            cached = _stat(folder, "inactive_file")
        else:
            limit = cgroup.number(folder / "memory.limit_in_bytes")
            used = cgroup.number(folder / "memory.usage_in_bytes")
            cached = _stat(folder, "total_inactive_file")
        if limit is None or used is None or limit >= min(NO_LIMIT, found.total):
            continue
        # Cached files count as used, but the kernel gives them up when memory is wanted.
        free = max(0, limit - max(0, used - cached))
        found = Memory(limit, min(found.available, free), "container")
    return found


def give_back_freed() -> None:
    """Hand what this process freed back to the system, where the C library keeps it: glibc does,
    between what is still in use, and it may be hundreds of megabytes after a long prompt."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
