"""The desk as a process: its configuration comes over the lifeline, and it ends with it."""

import argparse
import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec
import uvicorn

from mlxd.machine.process import die_with_parent

from .app import Desk
from .config import Config, read

log = logging.getLogger("mlxd.desk")

BACKLOG = 256
# What running requests may still take when it is told to stop. Streams of jobs never end by
# themselves, and jobs go on where they were.
GRACE_S = 2
# For the desk of a service that was ended just now.
LOCK_S = 10.0
LOCK_LOOK_S = 0.1


class Lifeline:
    """Our end of the socket pair. When it ends, so do we, whatever else is going on."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._lock = threading.Lock()
        self._file = self._socket.makefile("rb")

    def configuration(self) -> Config:
        line = self._file.readline()
        if not line:
            sys.exit("the gateway ended before it said anything")
        return read(line)

    def say(self, **what: object) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._socket.sendall(msgspec.json.encode(what) + b"\n")

    def watch(self) -> None:
        """From a thread of its own, so that nothing can hold it up."""
        threading.Thread(target=self._watch, name="lifeline", daemon=True).start()

    def _watch(self) -> None:
        while line := self._file.readline():
            if line == b"stop\n":
                os.kill(os.getpid(), signal.SIGTERM)
        # Without a gateway there are no models and nobody to answer; what was done is written down.
        os._exit(0)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGINT goes to the whole terminal; the gateway says when we end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._end)
        yield

    def _end(self) -> None:
        self.should_exit = True


def main() -> None:
    parser = argparse.ArgumentParser(prog="mlxd.desk")
    parser.add_argument("--fd", type=int, required=True, help="the lifeline to the gateway")
    lifeline = Lifeline(parser.parse_args().fd)
    die_with_parent()
    config = lifeline.configuration()
    logging.basicConfig(
        level=config.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    # Each request to a model would be a line.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    lifeline.watch()
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
