"""What a process can ask of the system about its own life."""

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> bool:
    """Have the kernel kill this process when its parent dies, also where it can't act by itself
    any more (stopped, or stuck in a driver). Linux only; elsewhere the end of the channel is the
    only sign, and a stopped process sees it when it is continued."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)) == 0
