"""Versions of the libraries, against known defects and against what was tested."""

import importlib.metadata
import re
from pathlib import Path
from typing import Any

import msgspec

from ..finding import Case, Finding, fail, ok, warn
from ..hints import install

TITLE = "Versions"
WHY = "Releases of these libraries have had defects that look like defects of a model."

FOLDER = Path(__file__).parent.parent
_NUMBER = re.compile(r"\d+")


class Defect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of `package`, from version `since` to `until`, both with it; `until` empty: still there.
    `beside`: only together with that package from `beside_since` on. `harms` is what of mlxd it
    reaches; empty: only other programs in the same environment."""

    package: str
    since: str
    until: str
    what: str
    source: str
    beside: str = ""
    beside_since: str = ""
    harms: str = ""


def defects() -> list[Defect]:
    return msgspec.convert(_table("defects.toml")["defect"], type=list[Defect])


def tested() -> dict[str, str]:
    """What this release was tested with, on all platforms the same."""
    return msgspec.convert(_table("tested.toml")["versions"], type=dict[str, str])


def released() -> str:
    """The day of this release: the clock can't be right before it."""
    return str(_table("tested.toml")["date"])


def look(case: Case) -> Finding:
    wanted = tested()
    there = {name: _version(name) for name in wanted}
    if missing := [name for name, version in there.items() if not version]:
        absent = f"{' and '.join(missing)} not installed"
        return fail(absent, install(*(f"{name}=={wanted[name]}" for name in missing)))
    found = ", ".join(f"{name} {version}" for name, version in there.items())
    harmful = False
    told: list[str] = []
    mend: list[str] = []
    for defect in matching(there):
        told.append(f"{defect.package} {there[defect.package]}: {defect.what} ({defect.source})")
        harmful = harmful or bool(defect.harms)
        mend.append(install(f"{defect.package}=={wanted[defect.package]}"))
    other = {name: v for name, v in there.items() if v != wanted[name]}
    if other:
        names = ", ".join(f"{name} {v} (tested: {wanted[name]})" for name, v in other.items())
        told.append(f"not what this release was tested with: {names}")
        mend.append(install(*(f"{name}=={wanted[name]}" for name in other)))
    facts: dict[str, Any] = {"versions": there, "tested": wanted}
    if not told:
        return ok(f"{found}: as tested, no known defect", **facts)
    return (fail if harmful else warn)("; ".join(told), *dict.fromkeys(mend), **facts)


def matching(there: dict[str, str]) -> list[Defect]:
    return [
        defect
        for defect in defects()
        if (version := there.get(defect.package))
        and _key(defect.since) <= _key(version)
        and (not defect.until or _key(version) <= _key(defect.until))
        and (not defect.beside or _has(there, defect.beside, defect.beside_since))
    ]


def _has(there: dict[str, str], package: str, since: str) -> bool:
    return bool(there.get(package)) and _key(there[package]) >= _key(since)


def _key(version: str) -> tuple[int, ...]:
    """Of the release alone: what comes after it (rc1, .dev0, +cpu) orders nothing here."""
    release = re.split(r"[^0-9.]", version, maxsplit=1)[0]
    numbers = [int(part) for part in _NUMBER.findall(release)]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _table(name: str) -> dict[str, Any]:
    import tomllib

    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))
