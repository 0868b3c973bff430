"""The Service that the gateway sees: names become slots, slots become answers."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from mlxd import wire
from mlxd.catalog import BrokenModel, Catalogue, ModelEntry, NameUnknown, NotDownloaded
from mlxd.settings import Settings

from . import launch, metrics
from .contract import ModelCard, NotCapable, Stream, UnknownModel
from .launch import ENGINE, Child
from .policy import State
from .pulse import DEFAULT_LIMITS, Limits
from .record import Record
from .slot import Slot

log = logging.getLogger(__name__)

CAPABILITIES = ("text", "vision", "tool_use", "structured_output", "embedding", "reranker")
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
    ) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._command = command
        # Engines that were started before this module was even imported, by model id.
        self._launched = dict(launched or {})
        self._limits = limits
        self._record = Record(settings.data_dir, url)
        self._slots: dict[str, Slot] = {}
        self._housekeeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Supervisor":
        self._record.write()
        for entry in self._catalogue.configured:
            self.slot(entry)
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
        wait = self._settings.server.drain_timeout if drain_s is None else drain_s
        slots = list(self._slots.values())
        await asyncio.gather(*(slot.close("the service is stopping", wait) for slot in slots))
        self._record.close()

    def hurry(self) -> None:
        """Do not wait for running answers any longer."""
        for slot in self._slots.values():
            slot.stop("the service is stopping at once")

    # --- Service -----------------------------------------------------------------------------

    def models(self) -> list[ModelCard]:
        return [self._card(slot) for slot in self._slots.values()]

    def resolve(self, name: str, *, needs: str) -> ModelCard:
        slot = self._by_capability(name) if name in CAPABILITIES else self._by_name(name)
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
        return {"engines": {name: _status(slot) for name, slot in self._slots.items()}}

    def metrics(self) -> tuple[bytes, str]:
        return metrics.prometheus(self._slots.values())

    # --- slots -------------------------------------------------------------------------------

    def slot(self, entry: ModelEntry) -> Slot:
        """The one slot of this model, made when it is first asked for."""
        if entry.id not in self._slots:
            self._slots[entry.id] = Slot(
                entry,
                self._spawner(entry),
                queue_limit=self._settings.server.queue_limit,
                limits=self._limits,
                on_pid=lambda pid, alive: self._note(entry, pid, alive),
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
        for slot in self._slots.values():
            if capability in self._card(slot).capabilities:
                return slot
        raise UnknownModel(capability, self._names())

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


def _status(slot: Slot) -> dict[str, Any]:
    machine, progress, hello = slot.machine, slot.progress, slot.hello
    now = time.monotonic()
    made: dict[str, Any] = {
        "state": str(machine.state),
        "cause": machine.cause,
        "seconds": round(now - machine.since, 3),
        "pid": slot.pid,
        "running": slot.book.running,
        "waiting": slot.book.waiting,
        "restarts": slot.restarts,
        "last_error": slot.last_error,
        "tokens_in": slot.book.counts.tokens_in,
        "tokens_out": slot.book.counts.tokens_out,
        "history": [msgspec.structs.asdict(one) for one in slot.history],
    }
    if machine.retry_at is not None:
        made["restart_in"] = round(max(0.0, machine.retry_at - now), 3)
    if progress is not None:
        made["progress"] = msgspec.structs.asdict(progress)
    if hello is not None:
        made["device"] = hello.device
        made["dtype"] = hello.dtype
        made["versions"] = hello.versions
        made["load_seconds"] = hello.load_seconds
        made["notes"] = hello.notes
    return made
