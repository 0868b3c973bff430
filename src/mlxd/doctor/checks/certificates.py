"""Certificates of smoke that no longer hold, because a library has changed since."""

import importlib.metadata
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

import mlxd

from ..finding import Case, Finding, ok, skipped, warn
from ..hints import ours, quoted

TITLE = "Certificates"
WHY = "A certificate says what was proved for these weights and versions; others prove nothing."


class _Held(msgspec.Struct):
    """What is looked at here of a certificate."""

    model: str
    versions: dict[str, str]


def look(case: Case) -> Finding:
    folder = case.settings.data_dir / "certificates"
    held = {path: _read(path) for path in sorted(_files(folder))}
    if not held:
        return skipped("there is none; mlxd smoke makes one")
    stale: dict[str, list[str]] = {}
    unreadable = [path for path, one in held.items() if one is None]
    for one in held.values():
        if one is not None and (changed := _changed(one.versions)):
            stale.setdefault(one.model, changed)
    facts: dict[str, Any] = {"stale": stale, "unreadable": [str(path) for path in unreadable]}
    if stale:
        told = "; ".join(f"{model}: {', '.join(changed)}" for model, changed in stale.items())
        mend = [ours("smoke", "--model", model) for model in stale]
        return warn(f"{len(stale)} of {len(held)} stale: {told}", *mend, **facts)
    if unreadable:
        return warn(f"{unreadable[0]} can't be read", quoted("rm", *unreadable), **facts)
    return ok(f"{len(held)}, of the versions that are installed", **facts)


def _files(folder: Path) -> Iterator[Path]:
    """None of a folder that may not be entered, in which `rglob` would raise."""
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names if name.endswith(".json"))


def _read(path: Path) -> _Held | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Held)
    except (OSError, msgspec.DecodeError):
        return None


def _changed(versions: dict[str, str]) -> list[str]:
    changed = []
    for name, before in versions.items():
        now = _now(name)
        if now is not None and now != before:
            changed.append(f"{name} was {before}, now {now}")
    return changed


def _now(name: str) -> str | None:
    """None: not known here (the device's driver, for example)."""
    if name == "mlxd":
        return mlxd.__version__
    if name == "python":
        return platform.python_version()
    try:
        return importlib.metadata.version(name.replace("_", "-"))
    except importlib.metadata.PackageNotFoundError:
        return None
