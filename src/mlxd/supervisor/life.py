"""The life of one engine process: its channel is read until it ends, then it is reaped."""

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from mlxd import wire

from . import policy

log = logging.getLogger(__name__)

# A process that ends closes its channel a moment before it can be reaped. One that does not follow
# within this time is half dead.
EXIT_GRACE_S = 1.0
# After a process was reaped, its last frames are still in the socket; nobody writes more.
LAST_FRAMES_S = 1.0


class Process(Protocol):
    """A started process: what `launch.Child` is, and what tests replace."""

    @property
    def pid(self) -> int: ...
    @property
    def log(self) -> Path: ...

    def signal(self, number: int) -> None: ...
    async def open(self) -> wire.GatewayEnd: ...
    def on_exit(self, tell: Callable[[int], None]) -> None: ...


class Life:
    """`hear` gets every frame in order; `tell` gets Broken at most once, then Gone once."""

    def __init__(
        self,
        process: Process,
        hear: Callable[[wire.Up], None],
        tell: Callable[[policy.Input], None],
    ) -> None:
        self.pid = process.pid
        self.served = False
        self._process = process
        self._hear = hear
        self._tell = tell
        self._channel: wire.GatewayEnd | None = None
        self._early: list[wire.Down] = []
        self._task = asyncio.create_task(self._live(), name=f"engine {process.pid}")

    def send(self, frame: wire.Down) -> None:
        if self._channel is None:
            self._early.append(frame)
        else:
            self._channel.send(frame)

    def signal(self, number: int) -> None:
        self._process.signal(number)

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        exited: asyncio.Future[int] = loop.create_future()

        def on_exit(code: int) -> None:
            # The loop may be closed when a process outlives the service, as in an aborted test.
            if not loop.is_closed():
                loop.call_soon_threadsafe(exited.set_result, code)

        self._process.on_exit(on_exit)
        channel = await self._process.open()
        self._channel = channel
        for frame in self._early:
            channel.send(frame)
        reading = asyncio.create_task(self._read(channel))
        either: set[asyncio.Future[Any]] = {reading, exited}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            await asyncio.wait({reading}, timeout=LAST_FRAMES_S)
            reading.cancel()
            await asyncio.wait({reading})
        else:
            broken = reading.result()
            if not broken:
                await asyncio.wait({exited}, timeout=EXIT_GRACE_S)
            if not exited.done():
                self._tell(policy.Broken(broken or "its channel ended, but not its process"))
        code = await exited
        await channel.close()
        self._tell(policy.Gone(_ending(code)))

    async def _read(self, channel: wire.GatewayEnd) -> str:
        """Until the channel ends; returns what was wrong with it, if anything."""
        try:
            while True:
                self._hear(await channel.receive())
        except wire.ChannelClosed:
            return ""
        except (wire.BrokenFrame, msgspec.DecodeError) as error:
            return f"it sent what is no frame ({error})"
        except Exception as error:
            # A fault of our own. Nobody would read on, so that the engine is of no use any more;
            # the next one goes on with the answers.
            log.exception("what the engine %s sent could not be handled", self.pid)
            return f"what it sent could not be handled ({error!r})"


def _ending(code: int) -> str:
    if code == 0:
        return "its process ended by itself"
    if code > 0:
        return f"its process exited with status {code}"
    try:
        return f"its process was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"its process was ended by signal {-code}"
