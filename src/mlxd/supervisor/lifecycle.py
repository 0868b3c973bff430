"""Which slots run: by what is assigned, by what is held, and by what fits into memory."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from mlxd.machine.memory import memory
from mlxd.settings import Settings

from . import ledger, needs
from .assignments import Assignments
from .contract import EngineUnavailable, ServiceStopping
from .policy import ALIVE
from .slot import Slot

log = logging.getLogger(__name__)

# How soon a client may ask again for a model that does not fit now.
ROOM_RETRY_S = 10.0
# And for one that will not fit before somebody changes the settings.
TOO_BIG_RETRY_S = 60.0


class Lifecycle:
    def __init__(
        self, settings: Settings, slots: Mapping[str, Slot], assignments: Assignments
    ) -> None:
        self.held: set[str] = set()
        self.settings = settings
        self._slots = slots
        self._assignments = assignments
        # Models for which room is being made, and those that are stopped once they have taken
        # what waits for them.
        self._rooms: dict[str, asyncio.Task[None]] = {}
        self._stops: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    async def close(self) -> None:
        """Nothing more is started: whoever waits for room is answered by the end of its slot."""
        self._closed = True
        tasks = [*self._rooms.values(), *self._stops.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def follow(self, cause: str) -> list[Slot]:
        """Start what is needed, stop what nothing needs; returns those that were started."""
        if self._closed:
            return []
        slots = self._slots
        orders = needs.decide(
            {name for name, slot in slots.items() if slot.intended or name in self._rooms},
            {k: name if name in slots else None for k, name in self._assignments.current.items()},
            {name for name, slot in slots.items() if slot.pinned or name in self.held},
            {name for name, slot in slots.items() if slot.resting},
        )
        for name in orders.stop:
            self._stop_unneeded(slots[name], cause)
        return [slots[name] for name in orders.start if self._try(slots[name], cause)]

    def need(self, slot: Slot, cause: str) -> None:
        """A request for this model. Raises EngineUnavailable when there is no room for it."""
        name = slot.entry.id
        if name not in self._assignments.current.values():
            self.held.add(name)
        if name not in self._rooms:
            self._bring_up(slot, lambda: slot.want(cause))

    def start(self, slot: Slot, cause: str) -> None:
        self.held.add(slot.entry.id)
        self._forget(slot)
        self._bring_up(slot, lambda: slot.start(cause))
        slot.resting = False

    def stop(self, slot: Slot, cause: str) -> None:
        """It stays away until somebody needs it."""
        self.held.discard(slot.entry.id)
        self._forget(slot)
        slot.resting = True
        slot.stop(cause, self.settings.server.drain_timeout)

    def restart(self, slot: Slot, cause: str) -> None:
        slot.stop(cause, self.settings.server.drain_timeout)
        slot.start(cause)

    def _try(self, slot: Slot, cause: str) -> bool:
        try:
            self._bring_up(slot, lambda: slot.start(cause))
        except EngineUnavailable as error:
            # It is started by its first request, when there may be room.
            slot.resting = True
            log.warning("%s", error)
            return False
        return True

    def _stop_unneeded(self, slot: Slot, cause: str) -> None:
        drain_s = self.settings.server.drain_timeout
        if not slot.book.waiting:
            self._forget(slot)
            slot.stop(cause, drain_s)
        elif slot.entry.id not in self._stops:
            # Its requests were promised an answer: it is stopped once it has taken them.
            self._later(self._stops, slot, self._stop_once_taken(slot, cause, drain_s))

    async def _stop_once_taken(self, slot: Slot, cause: str, drain_s: float) -> None:
        room = self._rooms.get(slot.entry.id)
        if room is not None:
            await asyncio.wait({room})
        await slot.taken()
        name = slot.entry.id
        if name not in self._assignments.current.values() and name not in self.held:
            slot.stop(cause, drain_s)

    # --- memory --------------------------------------------------------------------------------

    def too_big(self, slot: Slot) -> str:
        """Why no request will ever bring it up, with these settings; empty where one may."""
        budget = self.settings.engine.memory_budget
        if budget is None or slot.state in ALIVE or (need := self.size(slot)) <= budget:
            return ""
        return (
            f"{slot.entry.id} needs about {ledger.shown(need)} of memory, and all engines together "
            f"may have {ledger.shown(budget)} (setting engine.memory_budget)."
        )

    def budget(self) -> int:
        chosen = self.settings.engine.memory_budget
        return int(memory().total * ledger.SHARE) if chosen is None else chosen

    def claims(self) -> list[ledger.Claim]:
        return [
            ledger.Claim(
                name,
                self.size(slot),
                slot.used_at,
                movable=slot.is_idle and not slot.pinned,
                # Not those that wait for room themselves: two would wait for each other for ever.
                leaving=not slot.intended and name not in self._rooms,
            )
            for name, slot in self._slots.items()
            if slot.intended or slot.state in ALIVE or name in self._rooms
        ]

    def size(self, slot: Slot) -> int:
        return ledger.estimate(slot.entry, self.settings.engine.kv_budget, slot.peak)

    def _bring_up(self, slot: Slot, go: Callable[[], None]) -> None:
        if slot.intended and slot.state in ALIVE:
            go()
            return
        if self._closed:
            raise ServiceStopping
        plan = self._plan(slot)
        if not plan.evict and not plan.wait:
            go()
            return
        slot.awaited = True
        self._later(self._rooms, slot, self._make_room(slot, plan, go))

    def _plan(self, slot: Slot) -> ledger.Plan:
        name, need, budget = slot.entry.id, self.size(slot), self.budget()
        claims = [one for one in self.claims() if one.name != name]
        found = ledger.plan(need, budget, claims)
        if isinstance(found, ledger.Plan):
            return found
        if self.settings.engine.memory_budget is None and not claims:
            # Only an estimate speaks against it; the engine itself will know.
            return ledger.Plan()
        if told := self.too_big(slot):
            raise EngineUnavailable(told, TOO_BIG_RETRY_S)
        raise EngineUnavailable(
            f"{name} needs about {ledger.shown(need)} of memory. The budget is "
            f"{ledger.shown(budget)}, and {ledger.shown(found.held)} of it are held by engines "
            f"that are working, pinned or starting; {ledger.shown(found.missing)} are missing.",
            ROOM_RETRY_S,
        )

    async def _make_room(self, slot: Slot, plan: ledger.Plan, go: Callable[[], None]) -> None:
        name = slot.entry.id
        while plan.evict or plan.wait:
            for one in plan.evict:
                self._slots[one].rest(f"evicted: {name} needs the memory")
            await asyncio.gather(*(self._slots[one].left() for one in plan.wait + plan.evict))
            try:
                plan = self._plan(slot)
            except EngineUnavailable as error:
                # Somebody else was quicker.
                slot.awaited = False
                slot.book.fail_all(error)
                slot.resting = True
                return
        go()
        slot.awaited = False

    def _later(
        self, tasks: dict[str, asyncio.Task[None]], slot: Slot, work: Coroutine[Any, Any, None]
    ) -> None:
        name = slot.entry.id
        task = asyncio.create_task(work, name=f"later: {name}")
        tasks[name] = task

        def done(task: asyncio.Task[None]) -> None:
            if tasks.get(name) is task:
                del tasks[name]

        task.add_done_callback(done)

    def _forget(self, slot: Slot) -> None:
        slot.awaited = False
        for tasks in (self._rooms, self._stops):
            task = tasks.pop(slot.entry.id, None)
            if task is not None:
                task.cancel()
