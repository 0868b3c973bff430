"""What has to be done now and then, and what /status tells of the machine around the engines."""

import asyncio
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from mlxd.settings import Settings

from . import ledger
from .autopsy import replaced
from .contract import NotKept
from .launch import log_file, rotate
from .slot import Slot
from .store import Store

log = logging.getLogger(__name__)

# Logs are looked at this often; an engine writes little.
EVERY_S = 60.0
# With less than this, what is written next may not fit: a log is as long as `logging.file_bytes`.
LITTLE_ROOM = 32 * 1024 * 1024


def writable(folder: Path) -> bool:
    """Whether anything can be kept there; what is not there yet is made when it is needed."""
    try:
        there = next(one for one in (folder, *folder.parents) if one.exists())
        return there.is_dir() and os.access(there, os.W_OK)
    except OSError:
        return False


class House:
    def __init__(self, settings: Settings, slots: Mapping[str, Slot], store: Store) -> None:
        self._settings = settings
        self._slots = slots
        self._store = store
        self._kept = self._known()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._task = asyncio.create_task(self._keep(), name="housekeeper")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self.keep_peaks()

    def peak(self, model: str, size: int) -> int:
        """The most that an engine of it used when it last ran, whichever service that was."""
        return self._kept.get((model, size), 0)

    async def keep_peaks(self) -> None:
        used = {
            (slot.entry.id, slot.entry.size_bytes): slot.peak_now
            for slot in self._slots.values()
            if slot.peak_now
        }
        changed = {key: peak for key, peak in used.items() if self._kept.get(key) != peak}
        if not changed:
            return
        try:
            await asyncio.to_thread(self._store.note_peaks, changed)
        except NotKept as error:
            # Only an estimate: the next start begins with what the files say.
            log.warning("%s", error)
        else:
            self._kept.update(changed)

    def troubles(self) -> list[str]:
        """What is wrong with the machine around the engines, for people to mend."""
        folder = self._settings.data_dir
        found = [told] if (told := replaced()) else []
        if not writable(folder):
            found.append(
                f"{folder} can't be written. Requests are answered; logs are lost, changes are "
                "refused, and there are no documents and no agent."
            )
        try:
            free = shutil.disk_usage(folder).free
        except OSError as error:
            found.append(f"{folder} can't be looked at ({error}); logs and changes may be lost.")
        else:
            if free < LITTLE_ROOM:
                found.append(
                    f"The disk of {folder} has {ledger.shown(free)} left. Requests are answered as "
                    "before; lines of logs are lost, and changes are refused, until there is room."
                )
        if self._store.trouble:
            found.append(self._store.trouble)
        return found

    def _known(self) -> dict[tuple[str, int], int]:
        try:
            return self._store.peaks()
        except NotKept as error:
            log.warning("%s", error)
            return {}

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            for slot in self._slots.values():
                rotate(log_file(self._settings.data_dir, slot.entry.id), self._settings.logging)
            await self.keep_peaks()
