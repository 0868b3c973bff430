"""The desk as a process."""

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import uvicorn

from .app import Desk
from .config import Config
from .lifeline import Lifeline

log = logging.getLogger("mlxd.desk")

BACKLOG = 256
# What running requests may still take when it is told to stop. Streams of jobs never end by
# themselves, and jobs go on where they were.
GRACE_S = 2
# For the desk of a service that was ended just now.
LOCK_S = 10.0
LOCK_LOOK_S = 0.1


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGINT goes to the whole terminal; the gateway says when we end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._end)
        yield

    def _end(self) -> None:
        self.should_exit = True


def main(lifeline: Lifeline, config: Config) -> None:
    logging.basicConfig(
        level=config.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    # Each request to a model would be a line.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    held = _alone(config)
    asyncio.run(_serve(config, lifeline))
    logging.shutdown()
    held.close()
    # Jobs under way are waited for by nobody: they are durable, and go on at the next start.
    os._exit(0)


def _alone(config: Config) -> IO[str]:
    """Two desks would run each other's jobs. One that was killed lets go of its lock with it, and a
    moment later; a desk of another service does not."""
    config.folder.mkdir(parents=True, exist_ok=True)
    lock = (config.folder / "lock").open("a")
    until = time.monotonic() + LOCK_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                sys.exit(f"Another service uses the documents in {config.folder} already.")
            time.sleep(LOCK_LOOK_S)
        else:
            return lock


async def _serve(config: Config, lifeline: Lifeline) -> None:
    async with Desk(config, lifeline.say) as desk:
        listening = _listen(config.socket)
        server = _Server(
            uvicorn.Config(
                desk.app,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        desk.on_stop(lambda: server.should_exit)
        # What the libraries are made of stays for good. Looking through all of it for garbage, as
        # Python does now and then, takes a tenth of a second, and a search may be waiting.
        gc.collect()
        gc.freeze()
        lifeline.say(ready=True)
        log.info("listening on %s", config.socket)
        await server.serve(sockets=[listening])
    log.info("ended")


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    # Before it listens nobody can connect, and afterwards nobody but this user.
    path.chmod(0o600)
    sock.listen(BACKLOG)
    return sock
