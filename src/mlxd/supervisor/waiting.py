"""What an answer waits for, in the few words of a keep-alive comment."""

import time

from mlxd import wire

from .policy import Machine, State
from .requests import Request


def waits_for(machine: Machine, progress: wire.Progress | None, request: Request) -> str:
    if machine.state is State.READY:
        if not request.sent:
            return "queued"
        if request.first_at is not None:
            return "generating"
        return _measured(progress, "prefilling") or "queued"
    if machine.state is State.STOPPED and machine.retry_at is not None:
        return f"restarting in {max(0.0, machine.retry_at - time.monotonic()):.0f} s"
    return _measured(progress, "loading") or str(machine.state)


def _measured(progress: wire.Progress | None, phase: str) -> str:
    if progress is None or progress.phase != phase:
        return ""
    share = f" {100 * progress.done // progress.total} %" if progress.total else ""
    return phase + share
