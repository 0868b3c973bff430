"""`mlxd models ls`: what is on this machine, usable or not, and what the catalogue knows."""

import json
from collections.abc import Sequence
from typing import Any

from mlxd.catalog import (
    BrokenModel,
    Catalogue,
    CatalogueError,
    Found,
    KnownModel,
    NameUnknown,
    NotDownloaded,
    rows,
)
from mlxd.catalog.pull import downloading
from mlxd.settings import Settings
from mlxd.supervisor.contract import NotKept
from mlxd.supervisor.record import living_gateways
from mlxd.supervisor.store import Store

from .certified import certified, line
from .complaint import Complaint
from .service import ask

WHERE = {
    "bundled": "in the package",
    "folder": "folder",
    "hub": "Hugging Face cache",
    "lmstudio": "LM Studio",
}


def catalogue_of(settings: Settings) -> Catalogue:
    try:
        return Catalogue(settings.models, own=settings.catalogue.file)
    except CatalogueError as error:
        raise Complaint(str(error), code=2) from error
    except (NameUnknown, NotDownloaded, BrokenModel):
        # A setting that names a model which is gone is for `mlxd serve` to refuse; what else there
        # is can be listed, and fetched, all the same.
        return Catalogue(own=settings.catalogue.file)


def ls(settings: Settings, *, as_json: bool) -> None:
    catalogue = catalogue_of(settings)
    served = serving(settings)
    here = [_here(one, settings, served) for one in catalogue.found()]
    there = {row["id"] for row in here}
    known = [_known(one) for one in catalogue.known_models() if one.hub not in there]
    if as_json:
        print(json.dumps([*here, *known], indent=2))
        return
    _print(here, known)


def serving(settings: Settings) -> dict[str, dict[str, Any]]:
    """By model: what is assigned to it and the state of its engine, asked of the service if one
    runs, else from what it kept."""
    found: dict[str, dict[str, Any]] = {}
    running = living_gateways(settings.data_dir)
    if len(running) == 1:
        try:
            told = ask(running[0].url, "/models/capabilities", settings)
        except Complaint:
            return {}
        for capability, one in told["capabilities"].items():
            if one["model_id"]:
                found.setdefault(one["model_id"], {"assigned": []})["assigned"].append(capability)
        for name, one in told["models"].items():
            found.setdefault(name, {"assigned": []})["engine"] = one["state"]
        return found
    try:
        kept = Store(settings.data_dir).assignments()
    except NotKept as error:
        raise Complaint(str(error)) from error
    for capability, kept_one in kept.items():
        if kept_one.model:
            found.setdefault(kept_one.model, {"assigned": []})["assigned"].append(capability)
    return found


def _here(one: Found, settings: Settings, served: dict[str, dict[str, Any]]) -> dict[str, Any]:
    entry, row = one.entry, rows.here(one)
    if entry is None and one.hub and (event := downloading(one.hub)) is not None:
        far = f", {event.percent} %" if event.percent is not None else ""
        row["state"] = f"downloading{far}"
    service = served.get(row["id"], {})
    return {
        **row,
        "assigned": service.get("assigned", []),
        "engine": service.get("engine"),
        "certificate": certified(settings.data_dir, entry.id, entry.path) if entry else None,
    }


def _known(one: KnownModel) -> dict[str, Any]:
    return {**rows.known(one), "assigned": [], "engine": None, "certificate": None}


def _print(here: Sequence[dict[str, Any]], known: Sequence[dict[str, Any]]) -> None:
    rows = [("NAME", "SIZE", "CAN", "STATE"), *(_row(one) for one in here)]
    print("On this machine\n")
    _columns(rows)
    for one in here:
        if one["certificate"]:
            print(f"\n{_short(one)}: {line(one['certificate'])}")
    if known:
        print("\nTo be had (~ is reckoned). Download one: mlxd models pull NAME\n")
        rows = [("NAME", "SIZE", "MEMORY", "CAN")]
        rows += [
            (
                one["aliases"][0] + (" (default)" if one["default"] else ""),
                reckoned(one, "size"),
                reckoned(one, "memory"),
                ", ".join(one["capabilities"]) + (f" ({one['note']})" if one["note"] else ""),
            )
            for one in known
        ]
        _columns(rows)


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    state = WHERE[one["where"]] if one["usable"] else one["state"]
    if one["engine"]:
        state += f", {one['engine']}"
    if one["assigned"]:
        state += f", serves {', '.join(one['assigned'])}"
    can = ", ".join(one["capabilities"]) or "-"
    return (_short(one), size(one["size_bytes"]), can, state)


def _short(one: dict[str, Any]) -> str:
    return str(one["aliases"][0] if one["aliases"] else one["id"])


def size(number: int | None) -> str:
    if number is None:
        return "-"
    if number >= 1e9:
        return f"{number / 1e9:.1f} GB"
    if number >= 1e6:
        return f"{number / 1e6:.0f} MB"
    return f"{number / 1e3:.0f} kB" if number >= 1e3 else f"{number} bytes"


def reckoned(one: dict[str, Any], field: str) -> str:
    """A size of the catalogue, marked unless it was read or measured."""
    number = one[f"{field}_bytes"]
    is_known = number is None or one["verified"] or field in one["on_page"]
    return size(number) if is_known else f"~{size(number)}"


def _columns(rows: Sequence[tuple[str, ...]]) -> None:
    """The last column is as long as it is; a reason that is cut off helps nobody."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)]
        print("  ".join([*cells, row[-1]]).rstrip())
