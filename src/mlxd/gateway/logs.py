"""Logs over HTTP: the end of one, and what is added to it."""

import asyncio
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.routing import BaseRoute, Route

from mlxd.settings import ServerSettings
from mlxd.supervisor.launch import log_file

from .asgi import Receive, Scope, Send, UntilDisconnect, send_json
from .endpoint import Endpoint
from .errors import ApiError, bad
from .sse import EventStream, frames

DEFAULT_LINES = 200
MOST_LINES = 5_000
# Of a file's end, in which the lines are looked for.
TAIL_BYTES = 1024 * 1024
# Neither system tells of an appended file without a library.
POLL_S = 0.5
# Of a name that nothing has.
SHOWN = 100


class Logs:
    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._folder = data_dir / "logs"

    def names(self) -> list[str]:
        return [one.stem.removeprefix("engine-") for one in sorted(self._folder.glob("*.log"))]

    def file(self, name: str) -> Path:
        """A model's before the service's own. One that lies there: a name is never a path."""
        there = {file.name: file for file in self._folder.glob("*.log")}
        for wanted in (log_file(self._data_dir, name).name, f"{name}.log"):
            if wanted in there:
                return there[wanted]
        known = ", ".join(self.names()) or "none yet"
        told = f"There is no log of {name[:SHOWN]!r}. There are: {known}."
        raise ApiError(HTTPStatus.NOT_FOUND, told, param="name", code="log_not_found")


class _Names(Endpoint):
    def __init__(self, logs: Logs, **limits: Any) -> None:
        super().__init__(**limits)
        self._logs = logs

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        names = await asyncio.to_thread(self._logs.names)
        await send_json(send, msgspec.json.encode({"logs": names}))


class _Tail(Endpoint):
    def __init__(self, logs: Logs, keep_alive: float, **limits: Any) -> None:
        super().__init__(**limits)
        self._logs = logs
        self._keep_alive = keep_alive
        self._closed = asyncio.Event()

    def close(self) -> None:
        self._closed.set()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        file = self._logs.file(scope["path_params"]["name"])
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        lines = _lines(asked.get("lines", [str(DEFAULT_LINES)])[-1])
        follow = asked.get("follow", ["0"])[-1] in ("1", "true", "yes")
        told, at = await asyncio.to_thread(_end, file, lines)
        if not follow:
            await send_json(send, msgspec.json.encode({"lines": told, "file": str(file)}))
            return
        abort = scope.get("extensions", {}).get("mlxd.abort")
        stream = EventStream(send, [], self._keep_alive, lambda: "nothing was added", abort)
        async with UntilDisconnect(receive):
            try:
                await stream.write(frames([{"lines": told}]))
                await self._follow(file, at, stream)
                await stream.done()
            finally:
                stream.abandon()

    async def _follow(self, file: Path, at: int, stream: EventStream) -> None:
        while not self._closed.is_set():
            try:
                async with asyncio.timeout(POLL_S):
                    await self._closed.wait()
            except TimeoutError:
                told, at = await asyncio.to_thread(_added, file, at)
                if told:
                    await stream.write(frames([{"lines": told}]))


def _lines(given: str) -> int:
    if not given.isdecimal() or not 0 <= int(given[:9]) <= MOST_LINES:
        raise bad(f"lines: a number up to {MOST_LINES}.", "lines")
    return int(given)


def _end(file: Path, lines: int) -> tuple[list[str], int]:
    """The last whole lines, and where what comes next begins."""
    data, at = _read(file, max(0, _size(file) - TAIL_BYTES))
    return data[-lines:] if lines else [], at


def _added(file: Path, at: int) -> tuple[list[str], int]:
    size = _size(file)
    # Smaller than it was: it has been moved aside, and begins anew.
    return _read(file, at if size >= at else 0) if size != at else ([], at)


def _read(file: Path, at: int) -> tuple[list[str], int]:
    try:
        with file.open("rb") as opened:
            opened.seek(at)
            data = opened.read(TAIL_BYTES)
    except OSError:
        return [], at
    whole, newline, _ = data.rpartition(b"\n")
    if len(data) == TAIL_BYTES and not newline:
        return [], at + len(data)  # one endless line is no line
    return [
        line.decode("utf-8", "replace") for line in whole.split(b"\n") if newline and line
    ], at + len(whole) + len(newline)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


class LogRoom:
    """`close` ends what follows: the service does not wait for who only watches."""

    def __init__(self, data_dir: Path, server: ServerSettings) -> None:
        limits = {"body_limit": server.body_limit, "body_timeout": server.body_timeout}
        logs = Logs(data_dir)
        self._names = _Names(logs, **limits)
        self._tail = _Tail(logs, server.keep_alive, **limits)
        self.close = self._tail.close

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/logs", self._names, methods=["GET"]),
            Route("/logs/{name:path}", self._tail, methods=["GET"]),
        ]
