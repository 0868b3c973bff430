"""What /status and /v1/models show of an engine."""

import time
from typing import Any

import msgspec

from .assignments import CAPABILITIES
from .contract import ModelCard
from .slot import Slot


def card_of(slot: Slot) -> ModelCard:
    entry, hello = slot.entry, slot.hello
    capabilities = list(entry.capabilities)
    if hello is not None:
        # What the engine found once the model was loaded is truer than what its files promise.
        kept = [c for c in capabilities if c not in CAPABILITIES or c in hello.capabilities]
        # Labels alone say nothing of what else it may be asked for.
        decided = entry.decided and any(c in CAPABILITIES for c in entry.capabilities)
        more = [] if decided else hello.capabilities
        capabilities = list(dict.fromkeys([*kept, *more]))
    return ModelCard(
        id=entry.id,
        aliases=entry.aliases,
        capabilities=capabilities,
        context=hello.context if hello else entry.context,
        created=entry.created,
        state=slot.state,
        path=str(entry.path),
        size_bytes=entry.size_bytes,
    )


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
        "last_error": slot.words.error,
        "explanation": slot.words.explanation,
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
