"""A server of anyone's, started by a command line; its processes can be hurt, and none is left."""

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import psutil

from ..started import NotStarted
from .ports import free_port

PORT, SCRATCH = "{port}", "{scratch}"
START_LIMIT_S = 300.0
# From SIGTERM to the end of the last process, running answers included.
STOP_LIMIT_S = 60.0
POLL_S = 0.02
LAST_BYTES = 2000


class Stage:
    def __init__(self, command: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mlxd-lifecycle-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.command = [
            part.replace(PORT, str(self.port)).replace(SCRATCH, str(self.folder / "data"))
            for part in shlex.split(command)
        ]
        self._log = self.folder / "server.log"
        self._process: asyncio.subprocess.Process | None = None
        # Everything that was ever seen to belong to it; orphans have no parent to find them by.
        self._family: dict[int, psutil.Process] = {}

    # --- its life ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Returns at once; the server is on its way."""
        with self._log.open("ab") as log:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "PYTHONUNBUFFERED": "1"},
                    start_new_session=True,
                )
            except OSError as error:
                raise NotStarted(f"{shlex.join(self.command)}: {error}") from error

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def open(self) -> float:
        """Until it accepts connections; returns how long that took."""
        began = perf_counter()
        while not await self._accepts():
            if not self.runs or perf_counter() - began > START_LIMIT_S:
                raise NotStarted(f"{shlex.join(self.command)} did not start:\n{self.last_words()}")
            await asyncio.sleep(POLL_S)
        return perf_counter() - began

    async def _accepts(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    def last_words(self) -> str:
        return self._log.read_text(errors="replace")[-LAST_BYTES:] if self._log.exists() else ""

    async def end(self, number: int = signal.SIGTERM) -> tuple[int | None, float]:
        """One signal to its first process, and what came of it: the exit code (None: it had to be
        killed) and the seconds that it took."""
        self.family()
        began = perf_counter()
        code: int | None = None
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_LIMIT_S):
                    code = await self._process.wait()
        return code, perf_counter() - began

    async def close(self) -> list[str]:
        """Nothing of it is left; returns what had to be ended by hand."""
        await self.end()
        left = self.family()
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if self._process is not None:
            await self._process.wait()
        self._family.clear()
        return [f"process {process.pid}" for process in left]

    def forget(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- its processes -----------------------------------------------------------------------

    def family(self) -> list[psutil.Process]:
        """Those of its processes that run, also those whose parent is gone."""
        if self._process is not None:
            with contextlib.suppress(psutil.Error):
                own = psutil.Process(self._process.pid)
                for process in [own, *own.children(recursive=True)]:
                    self._family[process.pid] = process
        return [process for process in self._family.values() if _runs(process)]

    def resume(self) -> None:
        """What stands still goes on."""
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                if process.status() == psutil.STATUS_STOPPED:
                    process.resume()

    def hurt(self, number: int) -> bool:
        """A signal to the process that holds the model: the one with the most memory. Tells whether
        there was one."""
        sizes: list[tuple[int, psutil.Process]] = []
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                sizes.append((process.memory_info().rss, process))
        for _, process in sorted(sizes, key=lambda one: one[0], reverse=True):
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)
                return True
        return False

    async def gone(self, processes: Sequence[psutil.Process], limit: float) -> float | None:
        """Seconds until none of them runs; None when some still do after `limit`."""
        began = perf_counter()
        while any(map(_runs, processes)):
            if perf_counter() - began > limit:
                return None
            await asyncio.sleep(POLL_S)
        return perf_counter() - began


def _runs(process: psutil.Process) -> bool:
    """One that has ended and only waits to be reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        # Another user's by now, which is no sign of its end.
        return True
