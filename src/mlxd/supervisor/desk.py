"""The desk's process: started when it is first asked for, replaced when it dies, ended when idle.

One task is its single writer. Its lifeline is a socket pair: down go its configuration and `stop`,
up come `ready` and whether it is busy; the end of it tells each side that the other is gone.
"""

import asyncio
import contextlib
import logging
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from mlxd.settings import Settings

from . import launch
from .contract import DeskUnavailable
from .house import writable
from .policy import CRASHES_UNTIL_FAILED, STABLE_S, restart_delay

log = logging.getLogger(__name__)

DESK = (sys.executable, "-P", "-m", "mlxd.desk")
# Imports alone take seconds on a slow disk; a database that another desk holds is waited for.
START_S = 120.0
# It writes down where it is and ends; a page that is being read is read again later.
STOP_S = 10.0
# After a crash loop the next try is made by the first request that comes after this long.
FAILED_S = 30.0
# How often an idle desk is looked at. It may live this much longer than its time-out.
LOOK_S = 1.0
# Longer names don't fit into the address of a Unix socket: 104 bytes on macOS, 108 on Linux.
LONGEST_SOCKET = 100


class Keeper(Protocol):
    """Keeps which processes are ours: what `record.Record` is."""

    def add(self, pid: int, what: str) -> None: ...
    def drop(self, pid: int) -> None: ...


class Desk:
    """Lives inside one event loop, from `open` to `close`."""

    def __init__(
        self, settings: Settings, keeper: Keeper, url: str, command: Sequence[str] = DESK
    ) -> None:
        self._settings = settings
        self._keeper = keeper
        self._url = url
        self._command = command
        self._log = settings.data_dir / "logs" / "desk.log"
        self._state = "stopped"
        self._cause = "nobody has asked for it yet"
        self._since = time.monotonic()
        self._last_error: str | None = None
        self._pid: int | None = None
        self._restarts = self._crashes = self._leases = 0
        self._busy = False
        self._used_at = time.monotonic()
        self._detail: dict[str, Any] = {}
        self._socket: Path | None = None
        self._wanted = asyncio.Event()
        self._changed = asyncio.Condition()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    # --- what the gateway asks for -----------------------------------------------------------

    def open(self) -> None:
        self._task = asyncio.create_task(self._run(), name="desk")
        if wants_desk(self._settings):
            self._wanted.set()

    @contextlib.asynccontextmanager
    async def lease(self) -> AsyncIterator[Path]:
        """The path of its socket; the desk is not stopped for idleness meanwhile."""
        self._leases += 1
        try:
            yield await self._up()
        finally:
            self._leases -= 1
            self._used_at = time.monotonic()

    def report(self) -> dict[str, Any]:
        return {
            "state": self._state,
            "cause": self._cause,
            "seconds": round(time.monotonic() - self._since, 3),
            "pid": self._pid,
            "busy": self._busy,
            "requests": self._leases,
            "restarts": self._restarts,
            "last_error": self._last_error,
            **self._detail,
        }

    async def close(self) -> None:
        self._closing = True
        self._wanted.set()
        if self._task is not None:
            async with self._changed:
                self._changed.notify_all()
            await self._task

    # --- one life after the other ------------------------------------------------------------

    async def _up(self) -> Path:
        if not writable(folder := self._settings.data_dir):
            raise DeskUnavailable(
                f"{folder} can't be written, and documents and the agent keep their work there. "
                "Name another folder: mlxd serve --data-dir DIR",
                FAILED_S,
            )
        self._wanted.set()
        if self._state == "failed" and time.monotonic() - self._since > FAILED_S:
            self._crashes = 0
            await self._to("stopped", "it was asked for again")
        async with self._changed:
            try:
                async with asyncio.timeout(START_S):
                    await self._changed.wait_for(
                        lambda: self._state in ("ready", "failed") or self._closing
                    )
            except TimeoutError:
                raise DeskUnavailable(f"The desk did not start within {START_S:.0f} s.") from None
        if self._state != "ready" or self._socket is None:
            if self._closing:
                raise DeskUnavailable("The service is stopping.")
            raise DeskUnavailable(self._failure(), FAILED_S)
        return self._socket

    def _failure(self) -> str:
        tail = "\n".join(launch.log_tail(self._log))
        return f"The desk can't be started: {self._last_error}. Its log ends:\n{tail}"

    async def _run(self) -> None:
        dice = random.SystemRandom()
        while True:
            await self._wanted.wait()
            if self._closing:
                await self._to("stopped", "the service is stopping")
                return
            if self._state == "failed":
                await self._until(lambda: self._state != "failed" or self._closing)
                continue
            began = time.monotonic()
            told = await self._live()
            if told is None:
                continue
            self._last_error = told
            log.warning("the desk: %s", told)
            self._crashes = 1 if time.monotonic() - began >= STABLE_S else self._crashes + 1
            if self._crashes >= CRASHES_UNTIL_FAILED:
                await self._to("failed", told)
                continue
            self._restarts += 1
            await self._to("stopped", f"restart after: {told}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(restart_delay(self._crashes, dice.random())):
                    await self._until(lambda: self._closing)

    async def _until(self, true: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(true)

    async def _to(self, state: str, cause: str) -> None:
        async with self._changed:
            self._state, self._cause, self._since = state, cause, time.monotonic()
            self._changed.notify_all()
        log.info("the desk is %s: %s", state, cause)

    async def _live(self) -> str | None:
        """One process from start to end; returns what was wrong when it wasn't told to end."""
        with tempfile.TemporaryDirectory(prefix="mlxd-") as spare:
            # A second service may have the same data folder, and a desk that is about to be told.
            path = self._settings.data_dir / "run" / f"desk-{os.getpid()}.sock"
            if len(str(path).encode()) > LONGEST_SOCKET:
                path = Path(spare) / "desk.sock"
            await self._to("starting", "it was asked for")
            launch.rotate(self._log, self._settings.logging)
            try:
                child = launch.launch((), self._log, command=self._command)
            except OSError as error:
                return f"its process can't be started: {error}"
            self._pid = child.pid
            self._keeper.add(child.pid, "desk")
            loop = asyncio.get_running_loop()
            ended: asyncio.Future[int] = loop.create_future()

            def on_exit(code: int) -> None:
                # The loop may be closed when the process outlives the service.
                if not loop.is_closed():
                    loop.call_soon_threadsafe(ended.set_result, code)

            child.on_exit(on_exit)
            try:
                told = await self._follow(child, path, ended)
            finally:
                self._socket, self._pid, self._busy, self._detail = None, None, False, {}
                self._keeper.drop(child.pid)
                path.unlink(missing_ok=True)
            return told

    async def _follow(
        self, child: launch.Child, path: Path, ended: "asyncio.Future[int]"
    ) -> str | None:
        reader, writer = await child.streams()
        writer.write(msgspec.json.encode(configuration(self._settings, self._url, path)) + b"\n")
        hearing = asyncio.create_task(self._hear(reader, path))
        stopping = asyncio.create_task(self._until_idle())
        told: str | None = None
        try:
            waiting: set[asyncio.Future[Any]] = {ended, stopping}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return ended_by(ended.result())
            await self._to("stopping", stopping.result())
            writer.write(b"stop\n")
            for number, patience in ((signal.SIGTERM, STOP_S), (signal.SIGKILL, STOP_S)):
                await asyncio.wait({ended}, timeout=patience)
                if ended.done():
                    break
                child.signal(number)
            await ended
            await self._to("stopped", self._cause)
        finally:
            hearing.cancel()
            stopping.cancel()
            if not ended.done():
                child.signal(signal.SIGKILL)
            writer.close()
        return told

    async def _hear(self, reader: asyncio.StreamReader, path: Path) -> None:
        while line := await reader.readline():
            said = msgspec.json.decode(line)
            if said.pop("ready", False):
                self._socket = path
                self._used_at = time.monotonic()
                await self._to("ready", "it listens")
            self._busy = said.pop("busy", self._busy)
            self._detail |= said

    async def _until_idle(self) -> str:
        """Until it should end; a look at the requests and the end of `wanted` are one step, so that
        no request is cut off by it."""
        patience = self._settings.documents.idle_timeout
        while not self._closing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._until(lambda: self._closing)
            if self._busy or self._leases:
                self._used_at = time.monotonic()
            idle = time.monotonic() - self._used_at
            if self._state == "ready" and idle > patience and not wants_desk(self._settings):
                self._wanted.clear()
                # Nothing awaits between this line and the one above: leases see `stopping`.
                self._state, self._socket = "stopping", None
                return f"nobody has asked for it for {idle:.0f} s"
        return "the service is stopping"


def wants_desk(settings: Settings) -> bool:
    """Whether there is work for it though nobody asks: jobs that were not finished, or those of
    other machines."""
    return settings.documents.database is not None or unfinished(settings.data_dir).exists()


def unfinished(data_dir: Path) -> Path:
    """A file that the desk keeps while it has jobs to do."""
    return data_dir / "documents" / "unfinished"


def configuration(settings: Settings, url: str, path: Path) -> dict[str, Any]:
    """What the desk is told over its lifeline, where no other user can read it."""
    return {
        "socket": str(path),
        "gateway": url.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]"),
        "token": settings.server.token,
        "data_dir": str(settings.data_dir),
        "documents": msgspec.to_builtins(settings.documents, enc_hook=str),
        "agent": msgspec.to_builtins(settings.agent, enc_hook=str),
        "log_level": settings.logging.level,
    }


def ended_by(code: int) -> str:
    if code >= 0:
        return f"its process exited with status {code}"
    return f"its process was ended by {signal.Signals(-code).name}"
