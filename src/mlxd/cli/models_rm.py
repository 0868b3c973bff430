"""`mlxd models rm`: what mlxd downloaded, once it is said what that frees."""

import json
import sys

from mlxd.catalog import PILOT, BrokenModel, Catalogue, NameUnknown, NotDownloaded
from mlxd.catalog.pull import downloading
from mlxd.catalog.pull.remove import Removal, plan, remove
from mlxd.settings import Settings

from .complaint import Complaint
from .models_ls import catalogue_of, serving, size

EXIT_IN_USE = 7


def rm(settings: Settings, name: str, *, yes: bool, force: bool, as_json: bool) -> int:
    catalogue = catalogue_of(settings)
    hub_id = _hub_id(catalogue, name)
    removal = plan(hub_id)
    if removal.is_empty:
        raise Complaint(_nothing(catalogue, hub_id, removal))
    if not force:
        _check_use(settings, hub_id, name)
    if downloading(hub_id) is not None:
        raise Complaint(f"{hub_id} is being downloaded just now; end that first.", EXIT_IN_USE)
    told = f"{hub_id}: {len(removal.blobs) + len(removal.partials)} files, {size(removal.freed)}"
    if not as_json:
        print(told + "".join(f"\nStays: {one}" for one in removal.kept))
    if not yes and not _agreed():
        print("Nothing was removed.")
        return 1
    remove(removal)
    if as_json:
        files = len(removal.blobs) + len(removal.partials)
        made = {"model": hub_id, "files": files, "freed": removal.freed, "kept": removal.kept}
        print(json.dumps(made))
    else:
        print(f"Removed; {size(removal.freed)} are free again.")
    return 0


def _hub_id(catalogue: Catalogue, name: str) -> str:
    if name.casefold() == PILOT:
        raise Complaint("pilot is a part of mlxd and can't be removed by itself.")
    try:
        return catalogue.hub_id(name)
    except NameUnknown as error:
        try:
            found = catalogue.find(name)
        except (NameUnknown, NotDownloaded, BrokenModel):
            raise Complaint(error.told) from error
        raise Complaint(
            f"{found.path} was not downloaded by mlxd; remove that folder yourself."
        ) from error


def _nothing(catalogue: Catalogue, hub_id: str, removal: Removal) -> str:
    here = next((one for one in catalogue.found() if hub_id in (one.name, one.hub)), None)
    if removal.kept or here is not None:
        where = f" ({here.path})" if here is not None else ""
        return f"{hub_id}{where} was not downloaded by mlxd, so mlxd does not remove it."
    return f"{hub_id} is not on this machine."


def _check_use(settings: Settings, hub_id: str, name: str) -> None:
    using = serving(settings).get(hub_id)
    if using is None:
        return
    engine = using.get("engine")
    why = []
    if using["assigned"]:
        why.append(f"serves {', '.join(using['assigned'])}")
    if engine not in (None, "stopped", "failed"):
        why.append(f"is {engine}")
    if why:
        raise Complaint(
            f"{hub_id} {' and '.join(why)}. Assign another model first, or remove it all the same: "
            f"mlxd models rm {name} --force",
            EXIT_IN_USE,
        )


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise Complaint("Nobody is there to be asked; to remove it, say --yes.")
    return input("Remove them? [y/N] ").strip().casefold() in ("y", "yes")
