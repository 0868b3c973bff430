"""The downloads that a service has begun: one process a model, with any number of readers."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import msgspec

from mlxd.catalog.catalogue import PILOT, Catalogue

from . import trouble
from .events import PULL_AGAIN_S, Event, State, Trouble, decode
from .start import arguments

# How long a process may take to end; what it has written stays either way.
END_S = 5.0


class Pulled:
    """`event` is the latest. `ended_at` by the monotonic clock."""

    def __init__(self, hub_id: str) -> None:
        self.hub_id = hub_id
        self.event = Event(model=hub_id, state="resolving")
        self.ended_at: float | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    def begin(self, known: list[str]) -> None:
        self._task = asyncio.create_task(self._run(known), name=f"pull {self.hub_id}")

    @property
    def may_begin_again(self) -> bool:
        if self.ended_at is None:
            return False
        return self.event.state != "failed" or time.monotonic() - self.ended_at > PULL_AGAIN_S

    async def watch(self) -> AsyncIterator[Event]:
        """From the latest one to the last."""
        seen = None
        while True:
            event, changed = self.event, self._changed
            if event is not seen:
                yield event
                seen = event
            if event.ended:
                return
            if event is self.event:
                await changed.wait()

    async def end(self) -> None:
        """What has come stays, and the next download goes on from there."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
        if self._task is not None:
            try:
                async with asyncio.timeout(END_S):
                    await asyncio.shield(self._task)
            except TimeoutError:
                if self._process is not None:
                    self._process.kill()
                await self._task

    async def _run(self, known: list[str]) -> None:
        try:
            await self._follow(known)
        except OSError as error:
            why = Trouble("cannot_start", f"The download can't be started: {error}.")
            self._take(self._last("failed", why))
        if not self.event.ended:
            code = self._process.returncode if self._process is not None else None
            self._take(self._last("failed", trouble.ended(self.hub_id, code)))

    async def _follow(self, known: list[str]) -> None:
        self._process = process = await asyncio.create_subprocess_exec(
            *arguments(self.hub_id, known),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                self._take(decode(line))
        finally:
            # Its end is its sign that nobody wants it any more.
            process.stdin.close()
            await process.wait()

    def _last(self, state: State, why: Trouble) -> Event:
        """As far as it had come, so that no reader sees it go back."""
        return msgspec.structs.replace(
            self.event, state=state, rate=None, seconds_left=None, message=None, error=why
        )

    def _take(self, event: Event) -> None:
        self.event = event
        if event.ended:
            self.ended_at = time.monotonic()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class Pulls:
    """`catalogue` is asked anew each time, for it changes with the settings."""

    def __init__(self, catalogue: Callable[[], Catalogue]) -> None:
        self._catalogue = catalogue
        self._by_hub: dict[str, Pulled] = {}

    @property
    def catalogue(self) -> Catalogue:
        return self._catalogue()

    def begin(self, name: str) -> Pulled:
        """The one that runs already, or a new one. NameUnknown for what no hub can have."""
        catalogue = self._catalogue()
        if name.casefold() == PILOT:
            return _nothing_to_do()
        hub_id = catalogue.hub_id(name)
        found = self._by_hub.get(hub_id)
        if found is None or found.event.ended:
            found = self._by_hub[hub_id] = Pulled(hub_id)
            known = [one for m in catalogue.known_models() for one in (m.alias, m.hub)]
            found.begin(known)
        return found

    def find(self, name: str) -> Pulled | None:
        """By any of its names; also one that has ended."""
        return self._by_hub.get(self._catalogue().hub_id(name))

    def all(self) -> list[Pulled]:
        return list(self._by_hub.values())

    async def close(self) -> None:
        await asyncio.gather(*(one.end() for one in self._by_hub.values()))


def _nothing_to_do() -> Pulled:
    made = Pulled(PILOT)
    made.event = Event(model=PILOT, state="done", message="pilot comes with mlxd.")
    return made
