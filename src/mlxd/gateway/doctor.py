"""GET /doctor: the examination, done by a process beside the gateway.

It takes seconds and starts processes, so everyone who asks while one is under way gets that one,
and what came of it is kept for a minute.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.routing import BaseRoute, Route

from mlxd.settings import Settings, SettingsError

from .asgi import Receive, Scope, Send, send_json
from .endpoint import Endpoint
from .errors import ApiError, bad

COMMAND = (sys.executable, "-P", "-m", "mlxd.doctor")
# How long an answer is given again. `fresh` asks for a new one.
KEPT_S = 60.0
# Of all checks together, on a machine that is busy.
LIMIT_S = 300.0
UNKNOWN_CHECK = 64

Key = tuple[tuple[str, ...], tuple[str, ...]]


class Doctor(Endpoint):
    """`again` reads the settings anew: those that the service would start with now."""

    def __init__(self, again: Callable[[], Settings], settings: Settings, **limits: Any) -> None:
        super().__init__(**limits)
        self._again = again
        self._settings = settings
        self._kept: dict[Key, tuple[float, bytes]] = {}
        self._running: dict[Key, asyncio.Task[bytes]] = {}

    def routes(self) -> list[BaseRoute]:
        return [Route("/doctor", self, methods=["GET"])]

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        key = (_names(asked.get("only", ())), _names(asked.get("skip", ())))
        await send_json(send, await self._report(key, fresh=_is_true(asked.get("fresh", ()))))

    async def close(self) -> None:
        """End what is under way."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _report(self, key: Key, *, fresh: bool) -> bytes:
        now = time.monotonic()
        self._kept = {k: v for k, v in self._kept.items() if now - v[0] < KEPT_S}
        if not fresh and key in self._kept:
            return self._kept[key][1]
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._examine(key))
            task.add_done_callback(lambda done: self._running.pop(key, None))
        # Whoever leaves does not end it for the others.
        return await asyncio.shield(task)

    async def _examine(self, key: Key) -> bytes:
        settings, complaint = self._settings, ""
        try:
            settings = self._again()
        except (SettingsError, LookupError) as error:
            complaint = str(error)
        only, skip = key
        asked = {"settings": settings, "complaint": complaint, "only": only, "skip": skip}
        made = await _ask(msgspec.json.encode(asked, enc_hook=str) + b"\n")
        self._kept[key] = (time.monotonic(), made)
        return made


async def _ask(asked: bytes) -> bytes:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *COMMAND, stdin=pipe, stdout=pipe, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(LIMIT_S):
            process.stdin.write(asked)
            await process.stdin.drain()
            # Not closed before the answer is there: its end is the sign to give up.
            made = await process.stdout.read()
            process.stdin.close()
            code = await process.wait()
    except TimeoutError as error:
        raise ApiError(
            503, f"The examination took more than {LIMIT_S:.0f} s. Leave checks out with ?skip=."
        ) from error
    finally:
        if process.returncode is None:
            _kill(process.pid)
            await process.wait()
    if code == UNKNOWN_CHECK:
        raise bad(made.decode(errors="replace"), "only")
    if code:
        raise ApiError(500, f"mlxd doctor ended with status {code}; gateway.log may say more.")
    return made


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _names(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({name for one in given for name in one.split(",") if name}))


def _is_true(given: Sequence[str]) -> bool:
    return any(one.lower() in ("1", "true", "yes") for one in given)


def doctor(again: Callable[[], Settings], settings: Settings) -> Doctor:
    server = settings.server
    return Doctor(again, settings, body_limit=server.body_limit, body_timeout=server.body_timeout)
