"""An engine process: one model, loaded, scheduled and generated from, for the gateway that
started it. It ends when it is told to, when its gateway is gone, or when its device has failed.
"""

import argparse
import json
import logging
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlxd.machine import die_with_parent, prepare_for_mlx
from mlxd.wire import ChannelClosed, Down, EngineEnd, Failed, Progress, Stop

from .settings import Settings

if TYPE_CHECKING:
    from .assembly import Loaded

log = logging.getLogger("mlxd.engine")

EXIT_CANNOT_LOAD = 3
EXIT_DEVICE_FAILED = 4
# The threads hand over at every step; Python's own 5 ms between switches would be a token's time.
SWITCH_SECONDS = 0.0005


class Reader:
    """The thread that reads the channel. It runs before MLX is imported, so that an orphan ends
    even while it is loading."""

    def __init__(self, channel: EngineEnd) -> None:
        self._channel = channel
        self._early: list[Down] = []
        self._take: Callable[[Down], None] = self._keep
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def attach(self, engine: "Loaded") -> None:
        """Hand over what came in while the model was loading, and everything from now on."""
        with self._lock:
            for frame in self._early:
                engine.receive(frame)
            self._take = engine.receive

    def _keep(self, frame: Down) -> None:
        if isinstance(frame, Stop):
            os._exit(0)  # nothing is loaded that could be left half done
        self._early.append(frame)

    def _run(self) -> None:
        try:
            for frame in self._channel.frames():
                with self._lock:
                    self._take(frame)
        except Exception:  # noqa: BLE001 - a broken channel and a broken reader leave the same thing to do
            traceback.print_exc()
        # The gateway is gone, and with it everyone who could want an answer.
        os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mlxd.engine")
    parser.add_argument("--fd", type=int, required=True, help="inherited end of the channel")
    parser.add_argument("--model", type=Path, required=True, help="model folder")
    parser.add_argument("--name", default="", help="what the model is called, for the log")
    parser.add_argument("--settings", default="{}", help="JSON")
    args = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    die_with_parent()
    sys.setswitchinterval(SWITCH_SECONDS)
    channel = EngineEnd(socket.socket(fileno=args.fd))
    reader = Reader(channel)
    reader.start()
    channel.send(Progress("loading"))
    settings = msgspec.json.decode(args.settings, type=Settings)
    try:
        code = serve(channel, reader, args.model, settings)
    except ChannelClosed:
        code = 0
    logging.shutdown()
    # Threads blocked in a read can't hold the end up, and MLX frees what it has with the process.
    sys.stderr.flush()
    os._exit(code)


def serve(channel: EngineEnd, reader: Reader, folder: Path, settings: Settings) -> int:
    began = time.monotonic()
    notes = prepare_for_mlx(settings.blas)
    from .assembly import assemble
    from .backends import CannotLoad
    from .step import GivenUp, WarmUpFailed
    from .text import UnusableModel

    try:
        made = assemble(channel, folder, settings, notes, began)
    except (CannotLoad, UnusableModel, WarmUpFailed) as error:
        log.error("%s: %s", folder, error)
        channel.send(Failed(0, "engine", str(error), code="cannot_load"))
        return EXIT_CANNOT_LOAD
    except Exception as error:  # whatever the libraries raise, the gateway is told what it was
        log.exception("%s can't be loaded", folder)
        message = f"{folder} can't be loaded: {error}"
        channel.send(Failed(0, "engine", message, traceback=traceback.format_exc()))
        return EXIT_CANNOT_LOAD
    reader.attach(made.engine)
    channel.send(made.hello)
    log.info("ready after %.2f s: %s", made.hello.load_seconds, json.dumps(notes))
    try:
        made.engine.run()
    except GivenUp as error:
        channel.send(Failed(0, "engine", str(error), code="device_failed"))
        return EXIT_DEVICE_FAILED
    return 0
