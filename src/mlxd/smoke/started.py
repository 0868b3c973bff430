"""`mlxd serve` as a child of ours for the time of the checks; nothing is left behind."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

LISTENING = "mlxd: listening on "
START_LIMIT_S = 600.0
# mlxd serve ends its engine in order, which takes longer for a large model.
STOP_LIMIT_S = 60.0
LAST_LINES = 20


class NotStarted(Exception):
    """The server did not come up; the message has its last words."""


@dataclass(frozen=True)
class Started:
    url: str
    command: list[str]


@asynccontextmanager
async def served(model: str, program: Sequence[str] = ("-m", "mlxd")) -> AsyncIterator[Started]:
    folder = Path(tempfile.mkdtemp(prefix="mlxd-smoke-"))
    command = [sys.executable, *program, "serve", "--port", "0", "--data-dir", str(folder)]
    if model:
        command += ["--model", model]
    try:
        # A group of its own: Ctrl-C is ours to pass on, after the report's last round.
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        lines: deque[str] = deque(maxlen=LAST_LINES)
        reading = None
        try:
            url = await _ready(child, lines)
            reading = asyncio.create_task(_read_on(child, lines))
            yield Started(url, command)
        finally:
            await _end(child)
            if reading:
                reading.cancel()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _ready(child: asyncio.subprocess.Process, lines: deque[str]) -> str:
    """The URL, once the server says that its model is ready."""
    assert child.stdout is not None
    url = ""
    try:
        async with asyncio.timeout(START_LIMIT_S):
            async for raw in child.stdout:
                line = raw.decode(errors="replace").rstrip()
                lines.append(line)
                if line.startswith(LISTENING):
                    url = line.removeprefix(LISTENING)
                if url and " is ready." in line:
                    return url
            await child.wait()
    except TimeoutError:
        raise NotStarted(_last(f"not ready within {START_LIMIT_S:.0f} s", lines)) from None
    raise NotStarted(_last(f"it ended with exit code {child.returncode}", lines))


def _last(what: str, lines: deque[str]) -> str:
    said = "\n".join(lines) or "(nothing)"
    return f"mlxd serve did not start: {what}. Its last words:\n{said}"


async def _read_on(child: asyncio.subprocess.Process, lines: deque[str]) -> None:
    """A full pipe would stop the server."""
    assert child.stdout is not None
    async for raw in child.stdout:
        lines.append(raw.decode(errors="replace").rstrip())


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_LIMIT_S):
                await child.wait()
    # The group: an engine whose gateway had to be killed goes with it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()
