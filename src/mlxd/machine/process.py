"""What a process can ask of the system about its own life."""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
# A third of the share that others get where there is not enough for all.
_NICER = 5


def die_with_parent() -> bool:
    """Have the kernel kill this process when its parent dies, also where it can't act by itself
    any more (stopped, or stuck in a driver). Linux only; elsewhere the end of the channel is the
    only sign, and a stopped process sees it when it is continued."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)) == 0


def let_others_go_first() -> None:
    """For work that nobody looks at: it gets a smaller share of busy cores. Linux may share them
    out by sessions first, where each has one share whatever its processes ask for; so one that
    leads a session lowers that."""
    with contextlib.suppress(OSError):
        os.nice(_NICER)
    if sys.platform == "linux" and os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(_NICER), encoding="ascii")
