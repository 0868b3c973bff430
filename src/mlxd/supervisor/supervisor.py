"""The Service that the gateway sees: names become slots, slots become answers."""

import asyncio
import logging
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

import mlxd
from mlxd import wire
from mlxd.catalog import BrokenModel, Catalogue, ModelEntry, NameUnknown, NotDownloaded, certificate
from mlxd.catalog.pull.pulls import Pulls
from mlxd.settings import ModelSettings, Settings, known_keys, lookup

from . import assignments, confirm, launch, metrics
from .assignments import CAPABILITIES, Assignments
from .contract import (
    Elsewhere,
    ModelCard,
    NotCapable,
    ServiceStopping,
    Stream,
)
from .desk import Desk
from .house import House
from .launch import ENGINE, Child
from .lifecycle import Lifecycle
from .names import Names
from .opening import open_for
from .policy import State
from .pulse import DEFAULT_LIMITS, Limits
from .record import Record
from .remote import Asking, Remotes
from .report import report
from .slot import Slot
from .store import Confirmation, Store

log = logging.getLogger(__name__)

# Settings that are read once, when the service starts.
FIXED = ("server.", "images.", "logging.", "data_dir")


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
        self.pulls = Pulls(lambda: self._catalogue)
        self._command = command
        # Engines that were started before this module was even imported, by model id.
        self._launched = dict(launched or {})
        self._limits = limits
        self._record = Record(settings.data_dir, url)
        self.desk = Desk(settings, self._record, url)
        self._slots: dict[str, Slot] = {}
        self._remotes = Remotes(settings.remotes, settings.server.queue_limit)
        store = Store(settings.data_dir)
        self._house = House(settings, self._slots, store)
        self._assignments = Assignments(store, assigned or {})
        self._lifecycle = Lifecycle(settings, self._slots, self._assignments)
        self._lifecycle.held.update(held)
        self._names = Names(
            self._slots,
            self.slot,
            lambda: self._catalogue,
            self._remotes,
            self._assignments,
            self.pulls,
            lambda: self._settings.catalogue.auto_pull,
        )
        self._certificates = certificate.Certificates(settings.data_dir)
        self._dice = random.SystemRandom()
        self._closing = False

    async def __aenter__(self) -> "Supervisor":
        self._record.begin()
        self._make_slots()
        self.desk.open()
        self._house.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, drain_s: float | None = None) -> None:
        """Everything ends; returns when no process of ours is left."""
        self._closing = True
        await self._house.close()
        await self.pulls.close()
        await self._lifecycle.close()
        # It would only see its models go.
        await self.desk.close()
        wait = self._settings.server.drain_timeout if drain_s is None else drain_s
        slots = list(self._slots.values())
        ends = [slot.close("the service is stopping", wait) for slot in slots]
        await asyncio.gather(*ends, self._remotes.close(wait))
        self._record.close()

    def hurry(self) -> None:
        """Do not wait for running answers any longer."""
        for slot in self._slots.values():
            slot.stop("the service is stopping at once")
        self._remotes.hurry()

    def begin(self) -> list[Slot]:
        """Start what is assigned; returns the slots of those that fit."""
        slots = self._lifecycle.follow("the service starts")
        # Started while nobody had asked yet whether there is room for it. Those that are wanted are
        # taken over by their slots, which are tasks and come to it later.
        for name in self._launched.keys() - {slot.entry.id for slot in slots}:
            self._launched.pop(name).abandon()
        return slots

    def too_big(self) -> list[str]:
        """Of the models that are needed, why those that can't be started never will be."""
        return [told for slot in self._slots.values() if (told := self._lifecycle.too_big(slot))]

    # --- Service -----------------------------------------------------------------------------

    def models(self) -> list[ModelCard]:
        return self._names.cards()

    def certificate(self, name: str) -> dict[str, Any] | None:
        """What smoke has proved of a model that is served, and what has changed since."""
        if self._remotes.find(name) is not None:
            return None
        slot = self._names.slot(name)
        hello = slot.hello
        now = certificate.Machine(
            versions=hello.versions if hello else certificate.installed(mlxd.__version__),
            device=hello.device if hello else None,
            dtype=hello.dtype if hello else None,
        )
        found = self._certificates.of(slot.entry.id, slot.entry.path, now)
        return certificate.shown(*found) if found else None

    def certificates(self) -> dict[str, Any]:
        """Every certificate of this data folder whole, and of served models whether it holds."""
        made = [msgspec.to_builtins(one) for one in certificate.every(self._settings.data_dir)]
        served = {name: self.certificate(name) for name in self._slots}
        return {"certificates": made, "models": served}

    def resolve(self, name: str, *, needs: str) -> ModelCard:
        return self._names.resolve(name, needs=needs)

    def find(self, name: str) -> ModelCard:
        return self._names.find(name)

    def elsewhere(self, name: str) -> Elsewhere | None:
        return self._names.elsewhere(name)

    def generate(self, card: ModelCard, submit: wire.Submit) -> Stream:
        return self._slots[card.id].generate(submit)

    async def embed(self, card: ModelCard, embed: wire.Embed) -> wire.Embedded:
        return await self._slots[card.id].embed(embed)

    def ready(self) -> bool:
        # One at rest is started by the next request, which whoever waits for this would never send.
        slots = self._slots.values()
        if any(slot.state is State.READY or self._comes_when_asked(slot) for slot in slots):
            return True
        assigned = set(self._assignments.current.values())
        able = (card for card in self._remotes.cards() if card.id in assigned)
        return any(card.state in ("ready", "untried") for card in able)

    def _comes_when_asked(self, slot: Slot) -> bool:
        return slot.at_rest and not self._lifecycle.too_big(slot)

    def status(self) -> Any:
        engines = {
            name: {**report(slot), "too_big": self._lifecycle.too_big(slot)}
            for name, slot in self._slots.items()
        }
        return {
            "ready": self.ready(),
            "pid": os.getpid(),
            "troubles": [*self._house.troubles(), *self.too_big()],
            "engines": engines,
            "desk": self.desk.report(),
            "remotes": self._remotes.report(),
            "data_dir": str(self._settings.data_dir),
        }

    def metrics(self) -> tuple[bytes, str]:
        return metrics.prometheus(self._slots.values(), self._remotes)

    def first_tokens(self) -> list[dict[str, Any]]:
        return metrics.first_tokens(self._slots.values())

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
        name = self._names.serving(capability)
        return {
            "capability": capability,
            "model_id": name,
            "state": str(self._names.card(name).state) if name else None,
            "confirmed": self._assignments.confirmations(name or "").get(capability),
        }

    async def assign(self, capability: str, name: str | None) -> dict[str, Any]:
        """Raises NotKept, and then nothing has changed."""
        self._check_open()
        assignments.check(capability)
        slot = None
        if name is not None:
            card = self._names.card(name)
            if capability in CAPABILITIES and capability not in card.capabilities:
                can = ", ".join(card.capabilities) or "nothing known"
                raise NotCapable(
                    f"{card.id} can't do {capability}; it can do {can}.", needs=capability
                )
            name, slot = card.id, self._slots.get(card.id)
        before = self._assignments.current.get(capability)
        await self._assignments.assign(capability, name, str(slot.entry.path) if slot else None)
        if slot is not None:
            slot.wake()
        if before is not None and before not in self._assignments.current.values():
            self._lifecycle.held.discard(before)
        self._lifecycle.follow(f"{capability} is assigned to {name or 'nothing'}")
        return self.assigned(capability)

    async def confirm(self, name: str, capability: str) -> Confirmation:
        """Ask the model itself, and keep what came of it."""
        self._check_open()
        assignments.check(capability)
        remote = self._remotes.find(name)
        asked: confirm.Asked
        if remote is None:
            slot = self._names.slot(name)
            name, asked = slot.entry.id, slot
        else:
            asked = Asking(remote)
        check = confirm.CHECKS.get(capability)
        if check is None:
            can = ", ".join(confirm.CHECKS)
            raise NotCapable(
                f"{capability} can't be confirmed by asking; {can} can.", needs=capability
            )
        started = time.monotonic()
        confirmed, detail = await confirm.found(check, asked, self._dice)
        hello = self._slots[name].hello if remote is None else None
        versions = {"mlxd": mlxd.__version__, **(hello.versions if hello else {})}
        made = Confirmation(
            model_id=name,
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
        self._check_open()
        slot = self._names.slot(name)
        getattr(self._lifecycle, what)(slot, f"{what} was asked for")
        return {"model_id": slot.entry.id, "asked": what, "state": str(slot.state)}

    def reload(self, settings: Settings) -> dict[str, Any]:
        """Take over other settings; only engines whose own have changed are started anew. Raises
        what the catalogue does for a model that can't be found, and then nothing has changed."""
        self._check_open()
        before = self._settings
        opening = open_for(settings)
        self._settings = self._lifecycle.settings = settings
        self._catalogue = opening.catalogue
        if [one.name for one in before.models] != [one.name for one in settings.models]:
            self._assignments.replace(opening.assigned)
            self._lifecycle.held.clear()
            self._lifecycle.held.update(opening.held)
        remotes = self._remotes.replace(settings.remotes, settings.server.drain_timeout)
        self._assignments.replace(self._without_the_gone(opening.assigned))
        restarted = [name for name, slot in self._slots.items() if self._renew(slot, before)]
        self._make_slots()
        started = self._lifecycle.follow("the settings changed")
        changed = [key for key in known_keys() if lookup(before, key) != lookup(settings, key)]
        return {
            "changed": changed,
            "restarted": restarted,
            "started": [slot.entry.id for slot in started],
            "remotes": remotes,
            "needs_restart_of_the_service": [key for key in changed if key.startswith(FIXED)],
        }

    def _without_the_gone(self, opening: Mapping[str, str | None]) -> dict[str, str | None]:
        """What is assigned to models of a remote that is declared no more goes to whom the next
        start would assign it."""
        return {
            capability: name
            if name is None or name in self._slots or self._remotes.find(name)
            else opening.get(capability)
            for capability, name in self._assignments.current.items()
        }

    def _check_open(self) -> None:
        """What is changed now would only be half done when the service ends."""
        if self._closing:
            raise ServiceStopping

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
            if name is not None and name not in self._slots and not self._remotes.find(name):
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
            if self._closing:
                raise ServiceStopping
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
            self._slots[entry.id].peak_before = self._house.peak(entry.id, entry.size_bytes)
        return self._slots[entry.id]

    def _spawner(self, entry: ModelEntry) -> Callable[[], Child]:
        arguments = launch.engine_arguments(entry, self._settings)
        file = launch.log_file(self._settings.data_dir, entry.id)

        def spawn() -> Child:
            early = self._launched.pop(entry.id, None)
            if early is not None:
                return early
            launch.rotate(file, self._settings.logging)
            env = launch.engine_environment(self._settings)
            return launch.launch(arguments, file, command=self._command, env=env)

        return spawn

    def _note(self, entry: ModelEntry, pid: int, alive: bool) -> None:
        if alive:
            self._record.add(pid, entry.id)
        else:
            self._record.drop(pid)
