"""`mlxd models`"""

import json
from typing import Any
from urllib.parse import quote

from mlxd.catalog import BrokenModel, Catalogue, NameUnknown, NotDownloaded
from mlxd.settings import Settings

from .complaint import Complaint
from .service import ask, only_url

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


def assign(settings: Settings, url: str | None, capability: str, name: str | None) -> None:
    where = only_url(settings, url)
    path = f"/models/global_capability/{quote(capability, safe='')}"
    answer = ask(where, path, settings, body={"model_id": name}, post=True)
    print(f"{capability}: {answer['model_id'] or 'no model'}")


def show(settings: Settings, url: str | None, *, as_json: bool) -> None:
    found = ask(only_url(settings, url), "/models/capabilities", settings)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    width = max(map(len, found["capabilities"]))
    for capability, one in found["capabilities"].items():
        state = f"  {one['state']}" if one["state"] else ""
        check = one["confirmed"]
        told = f"  {'confirmed' if check['confirmed'] else 'not confirmed'}" if check else ""
        print(f"{capability:{width}}  {one['model_id'] or '-'}{state}{told}")
