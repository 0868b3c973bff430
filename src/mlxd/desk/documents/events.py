"""Changes of jobs as server-sent events. Each carries the whole state of a job; its id is the
number of the change, so that a client that comes back misses nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec

from .ledger import OVER, Ledger
from .store import jobs

# Other machines' jobs are not announced here, only found.
LOOK_S = 1.0
# Proxies cut connections that are silent for longer.
PATIENCE_S = 15.0
TOGETHER = 500


class Bell:
    """Rung from any thread, heard by whoever waits on the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for one in waiting:
            if not one.done():
                one.set_result(None)

    async def heard(self, seconds: float) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await asyncio.wait({waiter}, timeout=seconds)
        finally:
            self._waiting.discard(waiter)
            waiter.cancel()


async def stream(
    ledger: Ledger,
    bell: Bell,
    after: int,
    job: str | None,
    stopping: Callable[[], bool],
) -> AsyncIterator[bytes]:
    """Of one job, until it is over; of all, without an end."""
    silent = 0.0
    yield b"retry: 1000\n\n"
    where = [] if job is None else [jobs.c.id == job]
    if after > await asyncio.to_thread(ledger.latest):
        # The number is of another data folder. What it would leave out has never been told.
        after = 0
    while not stopping():
        found = await asyncio.to_thread(
            ledger.find, jobs.c.change > after, *where, limit=TOGETHER, newest=False
        )
        for one in found:
            after = one.change
            data = msgspec.json.encode(one.shown())
            yield b"id: %d\nevent: job\ndata: %b\n\n" % (one.change, data)
        # Not only of what was told just now: its last change may have been heard, and not the end.
        if job is not None and await asyncio.to_thread(_over, ledger, job, after):
            yield b"event: end\ndata: {}\n\n"
            return
        if found:
            silent = 0.0
            continue
        await bell.heard(LOOK_S)
        silent += LOOK_S
        if silent >= PATIENCE_S:
            silent = 0.0
            yield b": waiting\n\n"


def _over(ledger: Ledger, job: str, after: int) -> bool:
    """Whether nothing more comes of it; a job that is gone has no more changes either."""
    found = ledger.get(job)
    return found is None or (found.state in OVER and found.change <= after)
