"""`mlxd models`"""

import json
from typing import Any

from mlxd.catalog import BrokenModel, Catalogue, NameUnknown, NotDownloaded
from mlxd.settings import Settings

from .complaint import Complaint

MB = 1_000_000


def ls(settings: Settings, *, as_json: bool) -> None:
    try:
        catalogue = Catalogue(settings.models)
    except (NameUnknown, NotDownloaded, BrokenModel) as error:
        raise Complaint(str(error)) from error
    rows = [_row(catalogue, name) for name in catalogue.available()]
    there = {hub for row in rows for hub in (row["id"],)}
    rows += [
        {
            "id": known.hub,
            "aliases": [known.alias],
            "capabilities": known.capabilities,
            "context": known.context,
            "size_bytes": None,
            "state": "not downloaded",
            "verified": known.verified,
        }
        for known in catalogue.known()
        if known.hub not in there
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        size = f"{row['size_bytes'] / MB:.0f} MB" if row["size_bytes"] else "-"
        name = ", ".join([row["id"], *row["aliases"]])
        print(f"{name}\n    {row['state']}  {size}  {', '.join(row['capabilities'])}")


def _row(catalogue: Catalogue, name: str) -> dict[str, Any]:
    try:
        entry = catalogue.find(name)
    except BrokenModel as error:
        return {
            "id": name,
            "aliases": [],
            "capabilities": [],
            "context": None,
            "size_bytes": None,
            "state": "unusable: " + "; ".join(error.reasons),
        }
    return {
        "id": entry.id,
        "aliases": entry.aliases,
        "capabilities": entry.capabilities,
        "context": entry.context,
        "size_bytes": entry.size_bytes,
        "state": "on this machine",
        "path": str(entry.path),
    }
