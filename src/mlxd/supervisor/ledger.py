"""Which engines fit into memory together. Estimates come from a model's files; what an engine has
been seen to use counts instead once it is more."""

from collections.abc import Sequence

import msgspec

from mlxd.catalog import ModelEntry
from mlxd.catalog.about import PROCESS_BYTES
from mlxd.catalog.kv import key_values

# Of the machine's memory, where no budget is set: the rest is the system's and everyone else's.
SHARE = 0.85
# Long enough for ordinary chats; an engine takes its KV as it needs it, and refuses by itself.
KV_TOKENS = 8192
# Where config.json does not say what a token takes.
KV_SHARE = 0.1


class Claim(msgspec.Struct, frozen=True):
    """An engine's part of the memory. `leaving`: it is stopping already. `movable`: idle, and
    nobody said that it must stay."""

    name: str
    size: int
    used_at: float = 0.0
    movable: bool = False
    leaving: bool = False


class Plan(msgspec.Struct, frozen=True):
    """Those to be stopped first, and those that only have to be waited for."""

    evict: list[str] = []
    wait: list[str] = []


class Shortage(msgspec.Struct, frozen=True):
    missing: int
    held: int


def plan(need: int, budget: int, claims: Sequence[Claim]) -> Plan | Shortage:
    """Room for `need` bytes: wait for what leaves, then evict the least recently used."""
    free = budget - sum(one.size for one in claims)
    leaving = [one for one in claims if one.leaving]
    movable = sorted((one for one in claims if one.movable), key=lambda one: one.used_at)
    chosen: list[Claim] = []
    for one in [*leaving, *(one for one in movable if not one.leaving)]:
        if free >= need:
            break
        chosen.append(one)
        free += one.size
    if free < need:
        return Shortage(need - free, sum(one.size for one in claims if one not in chosen))
    return Plan(
        evict=[one.name for one in chosen if not one.leaving],
        wait=[one.name for one in chosen if one.leaving],
    )


def estimate(entry: ModelEntry, kv_bytes: int | None, seen: int = 0) -> int:
    kv = _kv(entry) if kv_bytes is None else kv_bytes
    return max(entry.size_bytes + kv + PROCESS_BYTES, seen)


def _kv(entry: ModelEntry) -> int:
    try:
        config = msgspec.json.decode((entry.path / "config.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        config = None
    found = key_values(config) if isinstance(config, dict) else None
    if found is None:
        return int(entry.size_bytes * KV_SHARE)
    return found.size(min(entry.context or KV_TOKENS, KV_TOKENS))


def shown(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
