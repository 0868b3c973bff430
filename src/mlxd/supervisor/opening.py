"""What is served from the start, found before anything heavy is imported: the first engine waits
for it."""

import logging
from collections.abc import Container, Iterable

import msgspec

from mlxd.catalog import BrokenModel, Catalogue, ModelEntry, NameUnknown, NotDownloaded
from mlxd.catalog.catalogue import PILOT
from mlxd.settings import ModelSettings, Settings

from . import needs
from .contract import NotKept
from .store import Assigned, Store

log = logging.getLogger(__name__)


class Opening(msgspec.Struct, frozen=True):
    """What there is to serve at start-up. `held`: named by settings, though others have all that
    it can. `elsewhere`: models for which no engine is started."""

    catalogue: Catalogue
    assigned: dict[str, str | None]
    held: list[str]
    elsewhere: frozenset[str] = frozenset()

    def first(self) -> ModelEntry | None:
        here = {key: name for key, name in self.assigned.items() if name not in self.elsewhere}
        wanted = needs.decide(set(), here, set(self.held), set()).start
        return self.catalogue.find(wanted[0]) if wanted else None


def open_for(settings: Settings) -> Opening:
    """Models that settings and flags name take every capability they have. What was assigned later
    holds when the service is started again with the same list, and gives way to another list."""
    store = Store(settings.data_dir)
    catalogue = Catalogue(settings.models, own=settings.catalogue.file)
    kept = store.assignments()
    names = [one.name for one in settings.models]
    if names and names != store.served():
        decided = {
            capability for entry in catalogue.configured for capability in entry.capabilities
        }
        kept = {key: one for key, one in kept.items() if key not in decided}
        try:
            store.begin(names, sorted(decided))
        except NotKept as error:
            # They are served all the same; only the next start may see older assignments again.
            log.warning("%s", error)
    elsewhere = frozenset(model for remote in settings.remotes for model in remote.models)
    found = _found(catalogue, kept.values(), elsewhere)
    able = [(entry.id, entry.capabilities) for entry in catalogue.configured]
    assigned = needs.opening(able, found)
    if not names and not any(assigned.values()):
        catalogue = Catalogue([ModelSettings(name=PILOT)], own=settings.catalogue.file)
        pilot = catalogue.configured[0]
        assigned = dict.fromkeys(pilot.capabilities, pilot.id)
    held = [
        model
        for model, capabilities in able
        if model not in assigned.values() and not any(one in found for one in capabilities)
    ]
    return Opening(catalogue, assigned, held, elsewhere)


def _found(
    catalogue: Catalogue, kept: Iterable[Assigned], elsewhere: Container[str]
) -> dict[str, str | None]:
    """What is assigned to models that are still there."""
    found: dict[str, str | None] = {}
    for one in kept:
        if one.model is None or one.model in elsewhere:
            found[one.capability] = one.model
            continue
        try:
            found[one.capability] = catalogue.find(one.path or one.model).id
        except (NameUnknown, NotDownloaded, BrokenModel) as error:
            log.warning("%s was assigned to %s: %s", one.capability, one.model, error)
    return found
