"""What the dashboard watches: one stream of snapshots, looked at once for however many pages."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.routing import BaseRoute, Route

from mlxd.machine.memory import memory
from mlxd.settings import ServerSettings
from mlxd.supervisor.contract import Overloaded, Service

from .admin import Administration
from .asgi import Receive, Scope, Send, UntilDisconnect
from .dialects.openai import models
from .endpoint import Endpoint
from .sse import EventStream

# Twice a second reads as live; a token rate over less is mostly noise.
PERIOD_S = 0.5
# More pages than anyone has open; each costs a socket and a write a period.
MOST_WATCHERS = 64
WATCHERS_RETRY_S = 10.0


class Watched:
    """Looks while somebody watches, and wakes them when what it sees has changed."""

    def __init__(self, look: Callable[[], dict[str, Any]]) -> None:
        self._look = look
        self.closed = False
        self._watchers = 0
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._seen: Any = None
        self.frame = b""

    def __enter__(self) -> "Watched":
        if self._watchers >= MOST_WATCHERS:
            told = f"{MOST_WATCHERS} streams of /events are open; close one of them."
            raise Overloaded(told, WATCHERS_RETRY_S)
        self._watchers += 1
        if self._task is None:
            self._take()
            self._task = asyncio.create_task(self._watch(), name="events")
        return self

    def __exit__(self, *_: object) -> None:
        self._watchers -= 1
        if not self._watchers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def change(self) -> bytes:
        await self._news.wait()
        return self.frame

    def close(self) -> None:
        """Every stream ends: the service does not wait for pages that only watch."""
        self.closed = True
        self._news.set()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            self._take()

    def _take(self) -> None:
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        data = msgspec.json.encode({"at": time.time(), **seen})
        self.frame = b"event: snapshot\ndata: " + data + b"\n\n"
        news, self._news = self._news, asyncio.Event()
        news.set()


class Events(Endpoint):
    def __init__(self, watched: Watched, keep_alive: float, **limits: Any) -> None:
        super().__init__(**limits)
        self._watched = watched
        self._keep_alive = keep_alive
        self.close = watched.close

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        abort = scope.get("extensions", {}).get("mlxd.abort")
        stream = EventStream(send, [], self._keep_alive, lambda: "nothing has changed", abort)
        try:
            async with UntilDisconnect(receive):
                with self._watched as watched:
                    frame = watched.frame
                    while not watched.closed:
                        await stream.write(frame)
                        frame = await watched.change()
                await stream.done()
        finally:
            stream.abandon()

    def routes(self) -> list[BaseRoute]:
        return [Route("/events", self, methods=["GET"])]


def events(service: Service, admin: Administration, server: ServerSettings) -> Events:
    def look() -> dict[str, Any]:
        cards = service.models()
        there = memory()
        return {
            "status": _steady(service.status()),
            "models": [models.shown(one, service.certificate(one.id)) for one in cards],
            "capabilities": admin.assignments()["capabilities"],
            "first_tokens": admin.first_tokens(),
            "memory": {
                "total": there.total,
                "available": _coarse(there.available),
                "limit": there.limit,
            },
        }

    return Events(
        Watched(look),
        server.keep_alive,
        body_limit=server.body_limit,
        body_timeout=server.body_timeout,
    )


# Free memory moves all the time; a difference that no bar would show is none.
_MEMORY_GRAIN = 64 * 2**20


def _coarse(count: int) -> int:
    return count // _MEMORY_GRAIN * _MEMORY_GRAIN


def _steady(status: Any) -> Any:
    """Without what changes by the clock alone: a page counts seconds by itself."""
    engines = {
        name: {key: value for key, value in engine.items() if key != "seconds"}
        for name, engine in status["engines"].items()
    }
    desk = {key: value for key, value in status["desk"].items() if key != "seconds"}
    return {**status, "engines": engines, "desk": desk}
