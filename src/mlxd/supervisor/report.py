"""What /status shows of an engine."""

import time
from typing import Any

import msgspec

from .slot import Slot


def report(slot: Slot) -> dict[str, Any]:
    machine, progress, hello = slot.machine, slot.progress, slot.hello
    now = time.monotonic()
    made: dict[str, Any] = {
        "state": str(machine.state),
        "resting": slot.resting,
        "cause": machine.cause,
        "seconds": round(now - machine.since, 3),
        "pid": slot.pid,
        "running": slot.book.running,
        "waiting": slot.book.waiting,
        "restarts": slot.restarts,
        "last_error": slot.last_error,
        "tokens_in": slot.book.counts.tokens_in,
        "tokens_out": slot.book.counts.tokens_out,
        "history": [msgspec.structs.asdict(one) for one in slot.history],
    }
    if machine.retry_at is not None:
        made["restart_in"] = round(max(0.0, machine.retry_at - now), 3)
    if progress is not None:
        made["progress"] = msgspec.structs.asdict(progress)
    if hello is not None:
        made["device"] = hello.device
        made["dtype"] = hello.dtype
        made["versions"] = hello.versions
        made["load_seconds"] = hello.load_seconds
        made["notes"] = hello.notes
    return made
