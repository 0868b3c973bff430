"""Ports for servers that must know theirs before they have it, or have it again after a while."""

import itertools
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
# Of each worker of pytest; they begin apart, so that none finds what another is about to take.
EACH = 1000


def _own() -> Iterator[int]:
    """Above those that the system gives to whoever asks for any: between the end of one server and
    the start of the next, each connection of somebody else could be given the port."""
    last = int(RANGE.read_text().split()[1]) if RANGE.exists() else 65535
    number = re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or "3"
    first = last + 1 + EACH * int(number)
    if first + EACH > 65536:
        return itertools.repeat(0)
    # Tests that were ended a moment ago may have left theirs waiting.
    start = os.getpid() % EACH
    return (first + (start + i) % EACH for i in itertools.count())


_candidates = _own()


def free_port() -> int:
    for port in _candidates:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("there are always more")
