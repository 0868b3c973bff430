"""From the name in a request to the model that is meant: one of ours, one elsewhere, or none."""

from collections.abc import Callable, Mapping

from mlxd.catalog import BrokenModel, Catalogue, ModelEntry, NameUnknown, NotDownloaded
from mlxd.catalog.pull.pulls import Pulls

from . import assignments
from .assignments import Assignments
from .contract import (
    Downloading,
    Elsewhere,
    ModelCard,
    NotCapable,
    ServiceError,
    Unassigned,
    UnknownModel,
)
from .remote import Remotes
from .report import card_of
from .slot import Slot


class Names:
    """`make` gives the one slot of a model. `auto_pull`: a model that is named and not on this
    machine is downloaded."""

    def __init__(
        self,
        slots: Mapping[str, Slot],
        make: Callable[[ModelEntry], Slot],
        catalogue: Callable[[], Catalogue],
        remotes: Remotes,
        assigned: Assignments,
        pulls: Pulls,
        auto_pull: Callable[[], bool],
    ) -> None:
        self._slots = slots
        self._make = make
        self._catalogue = catalogue
        self._remotes = remotes
        self._assigned = assigned
        self._pulls = pulls
        self._auto_pull = auto_pull

    def cards(self) -> list[ModelCard]:
        return [*(card_of(slot) for slot in self._slots.values()), *self._remotes.cards()]

    def resolve(self, name: str, *, needs: str) -> ModelCard:
        card = self.card(self._named(name))
        if needs not in card.capabilities:
            able = [c.id for c in self.cards() if needs in c.capabilities]
            others = f" These can: {', '.join(able)}." if able else ""
            can = ", ".join(card.capabilities) or "nothing known"
            raise NotCapable(f"{card.id} can't do {needs}; it can do {can}.{others}", needs=needs)
        return card

    def find(self, name: str) -> ModelCard:
        return self.card(self._named(name), may_pull=False)

    def elsewhere(self, name: str) -> Elsewhere | None:
        if name in assignments.KNOWN:
            name = self.serving(name) or ""
        return self._remotes.find(name)

    def card(self, name: str, *, may_pull: bool = True) -> ModelCard:
        remote = self._remotes.find(name)
        if remote is not None:
            return self._remotes.card(remote)
        return card_of(self.slot(name, may_pull=may_pull))

    def slot(self, name: str, *, may_pull: bool = True) -> Slot:
        try:
            return self._make(self._catalogue().find(name, any_folder=False))
        except BrokenModel as error:
            raise NotCapable(str(error), needs="text") from error
        except NotDownloaded as error:
            raise self._lacking(error, may_pull and self._auto_pull()) from error
        except NameUnknown as error:
            raise UnknownModel(name, self._known(), error.told) from error

    def serving(self, capability: str) -> str | None:
        """Where nobody has decided yet, it is the first model that turned out to have it."""
        assignments.check(capability)
        current = self._assigned.current
        if capability in current:
            name = current[capability]
            return name if name and (name in self._slots or self._remotes.find(name)) else None
        running = (slot for slot in self._slots.values() if slot.intended)
        able = (slot.entry.id for slot in running if capability in card_of(slot).capabilities)
        return next(able, None)

    def _named(self, name: str) -> str:
        """A capability stands for the model that is assigned to it."""
        if name not in assignments.KNOWN:
            return name
        model = self.serving(name)
        if model is None:
            able = [card.id for card in self.cards() if name in card.capabilities]
            raise Unassigned(name, able)
        return model

    def _lacking(self, error: NotDownloaded, may_pull: bool) -> ServiceError:
        """A download that runs is told of; with catalogue.auto_pull, it is begun."""
        pulled = self._pulls.find(error.hub)
        if may_pull and (pulled is None or pulled.may_begin_again):
            pulled = self._pulls.begin(error.hub)
        if pulled is None or pulled.event.state in ("done", "cancelled"):
            return UnknownModel(error.name, self._known(), f"{error}.")
        return Downloading(error.name, pulled.event)

    def _known(self) -> list[str]:
        elsewhere = [card.id for card in self._remotes.cards()]
        return list(dict.fromkeys([*self._slots, *elsewhere, *self._catalogue().available()]))
