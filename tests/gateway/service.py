"""A small Service around one fake engine process, for tests of the gateway alone."""

import asyncio
import contextlib
import itertools
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from tests.processes import PATIENCE_S

from mlxd import wire
from mlxd.supervisor.contract import (
    EngineUnavailable,
    ModelCard,
    NotCapable,
    Overloaded,
    RequestFailed,
    UnknownModel,
)

CARD = ModelCard(
    id="fake-org/fake-model",
    aliases=["fake"],
    capabilities=["text", "vision", "embedding"],
    context=4096,
    created=1_700_000_000,
    state="ready",
)
TEXT_ONLY = ModelCard(id="plain", capabilities=["text"], created=1_700_000_000)

Item = wire.Event | Exception


class FakeStream:
    def __init__(self, service: "FakeService", number: int) -> None:
        self._service = service
        self._number = number
        self._arrived: asyncio.Queue[Item] = asyncio.Queue()
        self._over = False

    state = "waiting for the fake engine"

    def put(self, item: Item) -> None:
        self._arrived.put_nowait(item)

    def __aiter__(self) -> "FakeStream":
        return self

    async def __anext__(self) -> list[wire.Event]:
        if self._over:
            raise StopAsyncIteration
        items = [await self._arrived.get()]
        while not self._arrived.empty():
            items.append(self._arrived.get_nowait())
        events = [item for item in items if isinstance(item, wire.Event)]
        failure = next((item for item in items if isinstance(item, Exception)), None)
        if failure is not None and events:
            self._arrived.put_nowait(failure)
            return events
        self._over = failure is not None or bool(events and events[-1].finish)
        if failure is not None:
            raise failure
        return events

    async def aclose(self) -> None:
        self._service.drop(self._number, cancel=not self._over)
        self._over = True


class FakeService:
    """`open` starts the engine; tests read `submitted`, `cancelled` and `running`."""

    def __init__(self, *switches: str) -> None:
        self._switches = switches
        self._numbers = itertools.count(1)
        self._streams: dict[int, FakeStream] = {}
        self._embeds: dict[int, asyncio.Future[wire.Embedded]] = {}
        self._dead = ""
        self.submitted: list[wire.Submit] = []
        self.cancelled: list[int] = []
        self.cancel_seen = asyncio.Event()
        self.progressed = asyncio.Condition()
        self.running = 0
        self.refuse: Exception | None = None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["FakeService"]:
        ours, theirs = socket.socketpair()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.fakes.engine",
            "--fd",
            str(theirs.fileno()),
            *self._switches,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self._end = await wire.GatewayEnd.open(ours)
        reader = asyncio.create_task(self._read())
        try:
            yield self
        finally:
            reader.cancel()
            await self._end.close()
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _read(self) -> None:
        try:
            while True:
                await self._take(await self._end.receive())
        except (wire.ChannelClosed, wire.BrokenFrame, msgspec.DecodeError) as error:
            self._dead = f"The engine ended: {error}"
            for stream in self._streams.values():
                stream.put(EngineUnavailable(self._dead))
            for waiting in self._embeds.values():
                waiting.set_exception(EngineUnavailable(self._dead))

    async def _take(self, frame: wire.Up) -> None:
        if isinstance(frame, wire.Step):
            for event in frame.events:
                if event.id in self._streams:
                    self._streams[event.id].put(event)
        elif isinstance(frame, wire.Failed):
            if frame.id in self._streams:
                self._streams[frame.id].put(RequestFailed(frame))
        elif isinstance(frame, wire.Embedded):
            if frame.id in self._embeds and not self._embeds[frame.id].done():
                self._embeds[frame.id].set_result(frame)
        elif isinstance(frame, wire.Progress):
            self.running = frame.running
            async with self.progressed:
                self.progressed.notify_all()

    def drop(self, number: int, *, cancel: bool) -> None:
        if self._streams.pop(number, None) is not None and cancel:
            self.cancelled.append(number)
            self.cancel_seen.set()
            self._end.send(wire.Cancel(number))

    async def idle(self) -> None:
        """Until the engine says that it runs nothing."""
        async with asyncio.timeout(PATIENCE_S), self.progressed:
            await self.progressed.wait_for(lambda: self.running == 0 and not self._streams)

    # What the gateway asks for.

    def certificate(self, name: str) -> dict[str, Any] | None:
        return None

    def models(self) -> list[ModelCard]:
        return [CARD, TEXT_ONLY]

    def resolve(self, name: str, *, needs: str) -> ModelCard:
        card = self.find(name)
        if needs not in card.capabilities:
            raise NotCapable(f"{card.id} has no capability {needs!r}.", needs=needs)
        return card

    def find(self, name: str) -> ModelCard:
        for card in self.models():
            if name in (card.id, *card.aliases) or (card is CARD and name in card.capabilities):
                return card
        raise UnknownModel(name, [card.id for card in self.models()])

    def elsewhere(self, name: str) -> None:
        return None

    def generate(self, card: ModelCard, submit: wire.Submit) -> FakeStream:
        if self.refuse is not None:
            raise self.refuse
        number = next(self._numbers)
        stream = self._streams[number] = FakeStream(self, number)
        submit = msgspec.structs.replace(submit, id=number)
        self.submitted.append(submit)
        if self._dead:
            stream.put(EngineUnavailable(self._dead))
        self._end.send(submit)
        return stream

    async def embed(self, card: ModelCard, embed: wire.Embed) -> wire.Embedded:
        if self._dead:
            raise EngineUnavailable(self._dead)
        number = next(self._numbers)
        waiting = self._embeds[number] = asyncio.get_running_loop().create_future()
        self._end.send(msgspec.structs.replace(embed, id=number))
        try:
            return await waiting
        finally:
            del self._embeds[number]

    def ready(self) -> bool:
        return not self._dead

    def status(self) -> Any:
        return {"engines": [{"model": CARD.id, "running": self.running}]}

    def metrics(self) -> tuple[bytes, str]:
        return b"mlxd_up 1\n", "text/plain; version=0.0.4"


def overloaded() -> Overloaded:
    return Overloaded("256 requests wait already; try again in a second.", 1.0)
