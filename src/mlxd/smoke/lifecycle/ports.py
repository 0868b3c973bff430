"""A port for a server that has to be told which, and is started on it more than once."""

import contextlib
import random
import socket
from collections.abc import Iterator
from pathlib import Path

# On Linux: the first and the last of those that whoever asks for any port is given.
GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")
LAST = 65535


def free_port() -> int:
    """Not one of those, where there are others: while the server is down, its port could become
    that of any connection on this machine."""
    for port in (*_others(), 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise OSError("no port is free")


def _others() -> Iterator[int]:
    try:
        others = range(int(GIVEN.read_text().split()[1]) + 1, LAST + 1)
    except (OSError, ValueError, IndexError):
        return
    yield from random.sample(others, len(others))
