"""How many cores this process can really use."""

import math
import os
import sys
from collections.abc import Iterator

from . import cgroup


def _quotas() -> Iterator[float]:
    for version, folder in cgroup.groups("cpu"):
        if version == 2:
            try:
                quota, period = (folder / "cpu.max").read_text().split()
            except (OSError, ValueError):
                continue
            if quota != "max":
                yield int(quota) / int(period)
        else:
            limit = cgroup.number(folder / "cpu.cfs_quota_us")
            period_us = cgroup.number(folder / "cpu.cfs_period_us")
            if limit and period_us and limit > 0:
                yield limit / period_us


def available_cores() -> int:
    """At least 1: the cores this process may be scheduled on, within its container's quota."""
    if sys.platform == "linux":
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    # A quota of 1.5 cores is rounded up: two threads, each throttled a little, beat one.
    return max(1, min([cores, *(math.ceil(quota) for quota in _quotas())]))
