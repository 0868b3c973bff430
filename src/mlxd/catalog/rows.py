"""Models as lists show them, on this machine or to be had."""

from typing import Any

from .catalogue import Found
from .listing import KnownModel


def here(one: Found) -> dict[str, Any]:
    entry = one.entry
    name = entry.id if entry else one.hub or one.name
    return {
        "id": name,
        "aliases": entry.aliases if entry else [one.name] if one.name != name else [],
        "capabilities": entry.capabilities if entry else [],
        "context": entry.context if entry else None,
        "size_bytes": entry.size_bytes if entry else None,
        "architecture": entry.architecture if entry else None,
        "state": "on this machine" if entry else "unusable: " + "; ".join(one.reasons),
        "usable": entry is not None,
        "reasons": one.reasons,
        "where": one.where,
        "path": str(one.path),
    }


def known(one: KnownModel) -> dict[str, Any]:
    return {
        "id": one.hub,
        "aliases": [one.alias],
        "capabilities": one.capabilities,
        "context": one.context,
        "size_bytes": one.size,
        "memory_bytes": one.memory,
        "parameters": one.parameters,
        "licence": one.licence,
        "note": one.note,
        "verified": one.verified,
        "on_page": one.on_page,
        "default": one.default,
        "state": "not downloaded",
        "usable": False,
        "reasons": [],
        "where": None,
        "path": None,
    }
