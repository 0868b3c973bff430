"""Which model each capability is assigned to, in memory as in the store: a change that could not be
written down was not made."""

import asyncio
from collections.abc import Mapping

from mlxd.capabilities import CAPABILITIES as CAPABILITIES
from mlxd.capabilities import KNOWN as KNOWN

from .contract import UnknownCapability
from .store import Assigned, Confirmation, Store


class Assignments:
    def __init__(self, store: Store, current: Mapping[str, str | None]) -> None:
        self._store = store
        self._current = dict(current)
        self._writing = asyncio.Lock()
        self._confirmed: dict[str, dict[str, Confirmation]] = {}
        for one in store.confirmations():
            self._confirmed.setdefault(one.model_id, {})[one.capability] = one

    @property
    def current(self) -> Mapping[str, str | None]:
        return self._current

    def replace(self, current: Mapping[str, str | None]) -> None:
        self._current = dict(current)

    def confirmations(self, model: str) -> dict[str, Confirmation]:
        return self._confirmed.get(model, {})

    async def assign(self, capability: str, name: str | None, path: str | None) -> None:
        """Raises NotKept, and then nothing has changed."""
        check(capability)
        async with self._writing:
            await asyncio.to_thread(self._store.assign, [Assigned(capability, name, path)])
            self._current[capability] = name

    async def note(self, one: Confirmation) -> None:
        async with self._writing:
            await asyncio.to_thread(self._store.confirm, one)
            self._confirmed.setdefault(one.model_id, {})[one.capability] = one


def check(capability: str) -> None:
    if capability not in KNOWN:
        raise UnknownCapability(capability, KNOWN)
