"""The desk's tie to its gateway. Held before anything heavy is imported: the gateway may be gone
before that is over, and nobody would be left to end what imports."""

import argparse
import contextlib
import os
import signal
import socket
import sys
import threading

import msgspec

from mlxd.machine.process import die_with_parent

from .config import Config, read


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


def hold() -> tuple[Lifeline, Config]:
    parser = argparse.ArgumentParser(prog="mlxd.desk")
    parser.add_argument("--fd", type=int, required=True, help="the lifeline to the gateway")
    lifeline = Lifeline(parser.parse_args().fd)
    die_with_parent()
    config = lifeline.configuration()
    lifeline.watch()
    return lifeline, config
