"""The Service that the gateway sees: names become slots, slots become answers."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mlxd
from mlxd import wire
from mlxd.catalog import BrokenModel, Catalogue, ModelEntry, NameUnknown, NotDownloaded
from mlxd.settings import ModelSettings, Settings, known_keys, lookup

from . import assignments, confirm, launch, metrics
from .assignments import CAPABILITIES, Assignments
from .contract import ModelCard, NotCapable, RequestFailed, Stream, Unassigned, UnknownModel
from .launch import ENGINE, Child
from .lifecycle import Lifecycle
from .opening import open_for
from .policy import State
from .pulse import DEFAULT_LIMITS, Limits
from .record import Record
from .report import report
from .slot import Slot
from .store import Confirmation, Store

log = logging.getLogger(__name__)

# Settings that are read once, when the service starts.
FIXED = ("server.", "images.", "logging.", "data_dir")
# Logs are looked at this often; an engine writes little.
ROTATE_EVERY_S = 60.0


class Supervisor:
    """Lives inside one event loop: `async with Supervisor(...) as service`."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        *,
        command: Sequence[str] = ENGINE,
        launched: Mapping[str, Child] | None = None,
        limits: Limits = DEFAULT_LIMITS,
        url: str = "",
        assigned: Mapping[str, str | None] | None = None,
        held: Sequence[str] = (),
    ) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._command = command
        # Engines that were started before this module was even imported, by model id.
        self._launched = dict(launched or {})
        self._limits = limits
        self._record = Record(settings.data_dir, url)
        self._slots: dict[str, Slot] = {}
        self._assignments = Assignments(Store(settings.data_dir), assigned or {})
        self._lifecycle = Lifecycle(settings, self._slots, self._assignments)
        self._lifecycle.held.update(held)
        self._dice = random.SystemRandom()
        self._housekeeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Supervisor":
        self._record.write()
        self._make_slots()
        self._housekeeper = asyncio.create_task(self._keep_house(), name="housekeeper")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, drain_s: float | None = None) -> None:
        """Everything ends; returns when no process of ours is left."""
        if self._housekeeper is not None:
            self._housekeeper.cancel()
            await asyncio.gather(self._housekeeper, return_exceptions=True)
            self._housekeeper = None
        await self._lifecycle.close()
        wait = self._settings.server.drain_timeout if drain_s is None else drain_s
        slots = list(self._slots.values())
        await asyncio.gather(*(slot.close("the service is stopping", wait) for slot in slots))
        self._record.close()

    def hurry(self) -> None:
        """Do not wait for running answers any longer."""
        for slot in self._slots.values():
            slot.stop("the service is stopping at once")

    def begin(self) -> list[Slot]:
        """Start what is assigned; returns the slots of those that fit."""
        return self._lifecycle.follow("the service starts")

    # --- Service -----------------------------------------------------------------------------

    def models(self) -> list[ModelCard]:
        return [self._card(slot) for slot in self._slots.values()]

    def resolve(self, name: str, *, needs: str) -> ModelCard:
        slot = self._by_capability(name) if name in assignments.KNOWN else self._by_name(name)
        card = self._card(slot)
        if needs not in card.capabilities:
            able = [c.id for c in self.models() if needs in c.capabilities]
            others = f" These can: {', '.join(able)}." if able else ""
            can = ", ".join(card.capabilities) or "nothing known"
            raise NotCapable(f"{card.id} can't do {needs}; it can do {can}.{others}", needs=needs)
        return card

    def generate(self, card: ModelCard, submit: wire.Submit) -> Stream:
        return self._slots[card.id].generate(submit)

    async def embed(self, card: ModelCard, embed: wire.Embed) -> wire.Embedded:
        return await self._slots[card.id].embed(embed)

    def ready(self) -> bool:
        return any(slot.state is State.READY for slot in self._slots.values())

    def status(self) -> Any:
        return {"engines": {name: report(slot) for name, slot in self._slots.items()}}

    def metrics(self) -> tuple[bytes, str]:
        return metrics.prometheus(self._slots.values())

    # --- what an application assigns -----------------------------------------------------------

    def assignments(self) -> dict[str, Any]:
        """Each capability with its model, and each model with what it was confirmed to do."""
        return {
            "capabilities": {one: self.assigned(one) for one in assignments.KNOWN},
            "models": {
                card.id: {
                    "capabilities": card.capabilities,
                    "state": card.state,
                    "confirmed": self._assignments.confirmations(card.id),
                }
                for card in self.models()
            },
        }

    def assigned(self, capability: str) -> dict[str, Any]:
        name = self._serving(capability)
        slot = self._slots[name] if name else None
        return {
            "capability": capability,
            "model_id": name,
            "state": str(slot.state) if slot else None,
            "confirmed": self._assignments.confirmations(name or "").get(capability),
        }

    async def assign(self, capability: str, name: str | None) -> dict[str, Any]:
        """Raises NotKept, and then nothing has changed."""
        assignments.check(capability)
        slot = None if name is None else self._by_name(name)
        if slot is not None and capability in CAPABILITIES:
            card = self._card(slot)
            if capability not in card.capabilities:
                can = ", ".join(card.capabilities) or "nothing known"
                raise NotCapable(
                    f"{card.id} can't do {capability}; it can do {can}.", needs=capability
                )
        before = self._assignments.current.get(capability)
        await self._assignments.assign(capability, slot.entry if slot else None)
        if slot is not None:
            slot.wake()
        if before is not None and before not in self._assignments.current.values():
            self._lifecycle.held.discard(before)
        self._lifecycle.follow(
            f"{capability} is assigned to {slot.entry.id if slot else 'nothing'}"
        )
        return self.assigned(capability)

    async def confirm(self, name: str, capability: str) -> Confirmation:
        """Ask the model itself, and keep what came of it."""
        assignments.check(capability)
        slot = self._by_name(name)
        check = confirm.CHECKS.get(capability)
        if check is None:
            can = ", ".join(confirm.CHECKS)
            raise NotCapable(
                f"{capability} can't be confirmed by asking; {can} can.", needs=capability
            )
        started = time.monotonic()
        try:
            detail, confirmed = await check(slot, self._dice), True
        except confirm.Unable as error:
            detail, confirmed = str(error), False
        except RequestFailed as error:
            # What it can't do, it refuses; a fault of the engine is no answer to the question.
            if error.failed.blame != "client":
                raise
            detail, confirmed = str(error), False
        versions = {"mlxd": mlxd.__version__, **(slot.hello.versions if slot.hello else {})}
        made = Confirmation(
            model_id=slot.entry.id,
            capability=capability,
            confirmed=confirmed,
            detail=detail,
            seconds=round(time.monotonic() - started, 3),
            at=round(time.time(), 3),
            versions=versions,
        )
        await self._assignments.note(made)
        return made

    # --- what an administrator asks for ----------------------------------------------------------

    def control(self, name: str, what: str) -> dict[str, Any]:
        """`what`: start, stop or restart. Returns at once; /status shows what becomes of it."""
        slot = self._by_name(name)
        getattr(self._lifecycle, what)(slot, f"{what} was asked for")
        return {"model_id": slot.entry.id, "asked": what, "state": str(slot.state)}

    def reload(self, settings: Settings) -> dict[str, Any]:
        """Take over other settings; only engines whose own have changed are started anew. Raises
        what the catalogue does for a model that can't be found, and then nothing has changed."""
        before = self._settings
        opening = open_for(settings)
        self._settings = self._lifecycle.settings = settings
        self._catalogue = opening.catalogue
        if [one.name for one in before.models] != [one.name for one in settings.models]:
            self._assignments.replace(opening.assigned)
            self._lifecycle.held.clear()
            self._lifecycle.held.update(opening.held)
        restarted = [name for name, slot in self._slots.items() if self._renew(slot, before)]
        self._make_slots()
        started = self._lifecycle.follow("the settings changed")
        fixed = [
            key
            for key in known_keys()
            if key.startswith(FIXED) and lookup(before, key) != lookup(settings, key)
        ]
        return {
            "restarted": restarted,
            "started": [slot.entry.id for slot in started],
            "needs_restart_of_the_service": fixed,
        }

    def _renew(self, slot: Slot, before: Settings) -> bool:
        """Whether its engine has to be started anew."""
        old = launch.engine_arguments(slot.entry, before)
        try:
            entry = self._catalogue.find(str(slot.entry.path))
        except (BrokenModel, NameUnknown, NotDownloaded):
            # Its files are gone. What is loaded still works.
            return False
        chosen = self._settings_of(entry) or ModelSettings(name=entry.id)
        if entry.id != slot.entry.id:
            # Its name is taken by another folder now; what runs keeps the name it has.
            entry = slot.entry
        slot.configure(entry, self._spawner(entry), chosen.idle_timeout, chosen.pin)
        if not slot.intended or launch.engine_arguments(entry, self._settings) == old:
            return False
        self._lifecycle.restart(slot, "its settings changed")
        return True

    def _make_slots(self) -> None:
        for entry in self._catalogue.configured:
            self.slot(entry)
        for name in self._assignments.current.values():
            if name is not None and name not in self._slots:
                self.slot(self._catalogue.find(name))

    def _settings_of(self, entry: ModelEntry) -> ModelSettings | None:
        for one in self._settings.models:
            try:
                if self._catalogue.find(one.name).id == entry.id:
                    return one
            except (BrokenModel, NameUnknown, NotDownloaded):
                continue
        return None

    # --- slots -------------------------------------------------------------------------------

    def slot(self, entry: ModelEntry) -> Slot:
        """The one slot of this model, made when it is first asked for."""
        if entry.id not in self._slots:
            chosen = self._settings_of(entry) or ModelSettings(name=entry.id)
            self._slots[entry.id] = Slot(
                entry,
                self._spawner(entry),
                queue_limit=self._settings.server.queue_limit,
                limits=self._limits,
                on_pid=lambda pid, alive: self._note(entry, pid, alive),
                need=self._lifecycle.need,
                idle_timeout=chosen.idle_timeout,
                pinned=chosen.pin,
            )
        return self._slots[entry.id]

    def _by_name(self, name: str) -> Slot:
        try:
            return self.slot(self._catalogue.find(name, any_folder=False))
        except BrokenModel as error:
            raise NotCapable(str(error), needs="text") from error
        except (NameUnknown, NotDownloaded) as error:
            raise UnknownModel(name, self._names()) from error

    def _by_capability(self, capability: str) -> Slot:
        name = self._serving(capability)
        if name is None:
            able = [card.id for card in self.models() if capability in card.capabilities]
            raise Unassigned(capability, able)
        return self._slots[name]

    def _serving(self, capability: str) -> str | None:
        """Where nobody has decided yet, it is the first model that turned out to have it."""
        assignments.check(capability)
        if capability in self._assignments.current:
            name = self._assignments.current[capability]
            return name if name in self._slots else None
        running = (slot for slot in self._slots.values() if slot.intended)
        able = (slot.entry.id for slot in running if capability in self._card(slot).capabilities)
        return next(able, None)

    def _names(self) -> list[str]:
        return list(dict.fromkeys([*self._slots, *self._catalogue.available()]))

    def _card(self, slot: Slot) -> ModelCard:
        entry, hello = slot.entry, slot.hello
        capabilities = list(entry.capabilities)
        if hello is not None:
            # What the engine found once the model was loaded is truer than what its files promise.
            kept = [c for c in capabilities if c not in CAPABILITIES or c in hello.capabilities]
            capabilities = list(dict.fromkeys([*kept, *hello.capabilities]))
        return ModelCard(
            id=entry.id,
            aliases=entry.aliases,
            capabilities=capabilities,
            context=hello.context if hello else entry.context,
            created=entry.created,
            state=slot.state,
            path=str(entry.path),
            size_bytes=entry.size_bytes,
        )

    def _spawner(self, entry: ModelEntry) -> Callable[[], Child]:
        arguments = launch.engine_arguments(entry, self._settings)
        file = launch.log_file(self._settings.data_dir, entry.id)

        def spawn() -> Child:
            early = self._launched.pop(entry.id, None)
            if early is not None:
                return early
            launch.rotate(file, self._settings.logging)
            return launch.launch(arguments, file, command=self._command)

        return spawn

    def _note(self, entry: ModelEntry, pid: int, alive: bool) -> None:
        if alive:
            self._record.add(pid, entry.id)
        else:
            self._record.drop(pid)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(ROTATE_EVERY_S)
            for slot in self._slots.values():
                file = launch.log_file(self._settings.data_dir, slot.entry.id)
                launch.rotate(file, self._settings.logging)
